package edifact

// Separators are the six characters of a service string advice, in its order
// (ISO 9735, section 6 of version 3).
type Separators struct {
	Component  byte // between the components of an element
	Element    byte // between elements, and after the tag
	Decimal    byte // decimal mark; told, never used: § 301 files state one and use the other
	Release    byte // takes the meaning from the character after it; blank: none in use
	Reserved   byte // blank in syntax versions 1 to 3
	Terminator byte // ends a segment
}

// DefaultSeparators are those in force without a UNA: : + , ? blank and '.
// Versions 1 to 3 have the comma as default decimal mark.
func DefaultSeparators() Separators {
	return Separators{Component: ':', Element: '+', Decimal: ',', Release: '?', Reserved: ' ', Terminator: '\''}
}

// lenUNA is the length of a service string advice, "UNA" included.
const lenUNA = 9

// append puts the service string advice that announces s behind dst.
func (s Separators) append(dst []byte) []byte {
	return append(dst, 'U', 'N', 'A', s.Component, s.Element, s.Decimal, s.Release, s.Reserved, s.Terminator)
}

// check says whether a file can be split by s. If not, at is the index of the
// offending byte in the nine bytes of the UNA. Decimal mark and reserved
// position cut nothing and so are free here; the annex rules judge them.
func (s Separators) check() (at int, err error) {
	cutting := [...]struct {
		at int
		c  byte
	}{{3, s.Component}, {4, s.Element}, {6, s.Release}, {8, s.Terminator}}
	for i, x := range cutting {
		if x.at == 6 && x.c == ' ' {
			continue // no release character in use
		}
		if !special(x.c) {
			return x.at, ErrUNACharacter
		}
		for _, y := range cutting[:i] {
			if x.c == y.c {
				return x.at, ErrUNASame
			}
		}
	}
	return 0, nil
}

// special tells the printable ASCII characters that are no letter, digit or blank.
func special(c byte) bool {
	switch {
	case c <= ' ' || c >= 0x7f:
		return false
	case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		return false
	}
	return true
}
