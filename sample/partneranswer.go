package sample

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gateway301/annex"
	"gateway301/crypto"
	"gateway301/crypto/keys"
)

// Answers make a simulated partner answer each pair that arrives, as its script
// says: it opens the file with its own key, and puts a FEHL, sealed and with its
// Auftragsdatei, into its out folder.
type Answers struct {
	Own       keys.Own        // key and certificate of the partner
	Directory *keys.Directory // whom it believes and seals for
	Script    []PartnerAnswer // one for each file in turn; the last one stays
	Location  *time.Location  // of creation times; nil is UTC

	mu     sync.Mutex
	number int
}

// A PartnerAnswer is what a partner says to one file.
type PartnerAnswer struct {
	Silent     bool
	Code, Text string // of a rejection; with an empty text the file is accepted, with the code
}

// ErrPartnerAnswer reports an answer that is not one.
var ErrPartnerAnswer = errors.New("unknown answer")

// ParsePartnerAnswer reads "silent", "accept CODE" or "reject CODE TEXT".
func ParsePartnerAnswer(s string) (PartnerAnswer, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	code, text, _ := strings.Cut(strings.TrimSpace(rest), " ")
	switch text = strings.TrimSpace(text); {
	case word == "silent" && rest == "":
		return PartnerAnswer{Silent: true}, nil
	case word == "accept" && text == "":
		if code == "" {
			code = "0"
		}
		return PartnerAnswer{Code: code}, nil
	case word == "reject" && code != "" && text != "":
		return PartnerAnswer{Code: code, Text: text}, nil
	}
	return PartnerAnswer{}, fmt.Errorf(`%w: %q; write "silent", "accept CODE" or "reject CODE TEXT"`, ErrPartnerAnswer, s)
}

// answer answers the pair whose file has just arrived, once its Auftragsdatei is there.
func (a *Answers) answer(root *os.Root, name string) error {
	_, _, order, ok := annex.ParseTransferName(path.Base(name))
	if !ok || !order {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.Script) == 0 {
		return nil
	}
	say := a.Script[0]
	if len(a.Script) > 1 {
		a.Script = a.Script[1:]
	}
	if say.Silent {
		return nil
	}
	raw, err := readIn(root, name)
	if err != nil {
		return err
	}
	auf, _, err := annex.ParseAuftragsdatei(raw)
	if err != nil {
		return err
	}
	report, err := a.open(root, name[:len(name)-len(annex.AUFSuffix)])
	if err != nil {
		return err
	}
	profile, err := annex.AnswerProfile("gateway301")
	if err != nil {
		return err
	}
	messages := []annex.FEHLMessage{profile.Positive(&report, say.Code)}
	if say.Text != "" {
		report.Verdict, report.Refused = annex.Rejected, nil
		report.Findings = []annex.Finding{{Stage: 1, Severity: annex.Error, Code: say.Code, Text: say.Text}}
		messages = profile.Answer(&report)
	}
	at := time.Now().In(time.UTC)
	if a.Location != nil {
		at = at.In(a.Location)
	}
	var plain bytes.Buffer
	a.number++
	env := profile.Envelope(report.Envelope, a.number, at)
	if err := annex.WriteFEHL(&plain, profile, env, messages); err != nil {
		return err
	}
	return a.handOut(root, auf, env, plain.Bytes(), at)
}

func readIn(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// open opens a payload and reads its envelope.
func (a *Answers) open(root *os.Root, name string) (report annex.Report, err error) {
	sealed, err := root.Open(name)
	if err != nil {
		return report, err
	}
	defer sealed.Close()
	dir, err := os.MkdirTemp("", "partner-")
	if err != nil {
		return report, err
	}
	defer os.RemoveAll(dir)
	plain := filepath.Join(dir, "plain")
	if _, err := crypto.OpenFile(plain, sealed, crypto.OpenOptions{Own: []keys.Own{a.Own}, Directory: a.Directory, ReceivedAt: time.Now()}); err != nil {
		return report, err
	}
	f, err := os.Open(plain)
	if err != nil {
		return report, err
	}
	defer f.Close()
	return annex.Check(context.Background(), f, annex.CheckOptions{Stage: 1})
}

// handOut seals an answer and puts the pair into the out folder, the Auftragsdatei last.
func (a *Answers) handOut(root *os.Root, auf annex.Auftragsdatei, env annex.Envelope, plain []byte, at time.Time) error {
	to, err := a.Directory.ForIK(auf.AbsenderEigner, at)
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	me := a.Own
	if _, err := crypto.Seal(&sealed, bytes.NewReader(plain), int64(len(plain)), me, []*x509.Certificate{to}, at); err != nil {
		return err
	}
	const stamp = "20060102150405"
	order, err := annex.Auftragsdatei{
		Verfahren: auf.Verfahren, TransferNummer: a.number % 1000,
		AbsenderEigner: auf.EmpfaengerNutzer, AbsenderPhysikalisch: auf.EmpfaengerPhysikalisch,
		EmpfaengerNutzer: auf.AbsenderEigner, EmpfaengerPhysikalisch: auf.AbsenderPhysikalisch,
		Dateiname: env.ApplicationRef, DatumErstellung: at.Format(stamp), DatumGesendet: at.Format(stamp),
		GroesseNutzdaten: int64(len(plain)), GroesseUebertragung: int64(sealed.Len()),
		Zeichensatz: annex.ZeichensatzI1, Verschluesselung: annex.KryptoCMS, Unterschrift: annex.KryptoCMS,
	}.Encode()
	if err != nil {
		return err
	}
	name := path.Join("out", annex.TransferName(auf.Verfahren, a.number%1000))
	for _, part := range []struct {
		name    string
		content []byte
	}{{name, sealed.Bytes()}, {name + annex.AUFSuffix, order}} {
		if err := root.WriteFile(part.name+".tmp", part.content, 0o600); err != nil {
			return err
		}
		if err := root.Rename(part.name+".tmp", part.name); err != nil {
			return err
		}
	}
	return nil
}
