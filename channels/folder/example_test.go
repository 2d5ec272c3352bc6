package folder_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"gateway301/channels"
	"gateway301/channels/folder"
)

func Example() {
	dir, err := os.MkdirTemp("", "partner")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	c, err := folder.New(folder.Settings{OutDir: dir, InDir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx := context.Background()
	text := "UNB+UNOC:3+260500005+109910000"
	proof, err := c.Put(ctx, "EKRH0001", strings.NewReader(text), int64(len(text)), channels.PutOptions{
		BeforePublish: func() error {
			_, err := os.Stat(filepath.Join(dir, "EKRH0001"))
			fmt.Println("visible before publication:", err == nil)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(proof.Text)

	files, _, err := c.List(ctx, channels.Incoming)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Println(f.Name, f.Size)
	}
	// Output:
	// visible before publication: false
	// size 30 proven at final name
	// EKRH0001 30
}
