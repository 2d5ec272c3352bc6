package sftp

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// NameEncodings are the spellings of names that servers use, by their names in
// settings. UTF-8 is nil.
func NameEncodings() map[string]encoding.Encoding {
	return map[string]encoding.Encoding{
		"utf-8":        nil,
		"iso-8859-1":   charmap.ISO8859_1,
		"iso-8859-15":  charmap.ISO8859_15,
		"windows-1252": charmap.Windows1252,
		"cp850":        charmap.CodePage850,
	}
}
