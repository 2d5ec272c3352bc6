package crypto_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gateway301/crypto"
	"gateway301/crypto/keys"
)

// A hospital seals a file for an insurer, who opens it and learns who sent it.
func Example() {
	hospital, insurer, directory := everyone().hospital, everyone().insurer, everyone().directory
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	plain := "UNA:+,? 'UNB+UNOC:3+260500005:00+109910000:00'"
	var sealed bytes.Buffer
	_, err = crypto.Seal(&sealed, strings.NewReader(plain), int64(len(plain)), hospital, []*x509.Certificate{insurer.Certificate}, now)
	if err != nil {
		fmt.Println("held:", err)
		return
	}

	file := filepath.Join(dir, "EKRH0001")
	opened, err := crypto.OpenFile(file, &sealed, crypto.OpenOptions{
		Own: []keys.Own{insurer}, Directory: directory, ReceivedAt: now,
	})
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	back, err := os.ReadFile(file)
	fmt.Println(opened.SignerIKs, opened.Size, string(back) == plain, err)
	// Output: [260500005] 46 true <nil>
}
