// Package edifact reads and writes UN/EDIFACT interchanges as a stream: ISO
// 9735, syntax versions 1 to 3, levels UNOA to UNOC, and UTF-8. It knows the
// syntax and the service segments, and nothing of § 301.
//
//	interchange    UNB … UNZ, a UNA before it if the separators are told
//	  group        UNG … UNE, optional
//	    message    UNH … UNT
//	      segment  TAG+element+component:component'
//
// Three layers, each usable alone: a [Reader] splits bytes into segments, a
// [Walker] goes through the envelopes of a file and checks them, a [Writer]
// writes. A [Charset] turns values into text and back, and a [Decoder] all
// values of a segment at once.
//
// # How it reads
//
// The reader has one buffer, which it reuses, and a bit for every byte in it:
//
//	          pos                   scanned        end
//	           ↓                       ↓            ↓
//	buf   ·····UNT+5+00001'UNZ+1+00007'UNB+UNOC:3+26░░░░
//	all   ········1·1·····1···1·1·····1
//	ends                  ↑           ↑
//
// buf[:pos] has been handed out, buf[pos:scanned] is marked, buf[scanned:end]
// has been read only. A bit in all marks a separator or terminator in force;
// ends lists the terminators. So the next segment is known without looking at
// it, and its values are found from the bits only when somebody asks. What
// holds at any time:
//
//   - A marked byte is not released, and every byte that separates is marked,
//     however the bytes arrived: the only thing carried over from one piece to
//     the next is whether the last byte is a release character in force.
//   - A position in the buffer keeps its bit: the buffer moves by multiples of 64.
//   - The buffer is as long as a read of 32 KiB, and longer only for a segment
//     that is, up to Options.MaxSegment.
//   - A segment, and every slice got from it, is valid until the next call.
//
// Bytes are compared 64 at a time, on amd64 with SSE2, or AVX2 where there is, and
// elsewhere eight to an addition. What the processor can do is asked at run time,
// up to AVX-512 for the values; the build tag purego leaves all assembly out. All
// of them are held to a plain table-driven oracle by fuzzing.
//
// # What it decides
//
//   - A release character takes the meaning from whatever byte follows it (ISO
//     9735 section 5.2), separator or not. As the last byte of all it is an error.
//   - The writer releases the four characters that need it, : + ? and ' or
//     whatever is in force in their place, and never the decimal mark, as the
//     GKV-Spitzenverband answered for the sibling procedures.
//   - CR and LF may stand between segments. ISO 9735 knows no line ends, but
//     Kostenträgerdateien and samples of § 301 have a LF after every terminator,
//     and readers of the sibling procedures take them. Nothing else may stand
//     there, and inside a segment they are content.
//   - A UNA holds for its own interchange. Its decimal mark is told and not
//     used: real files announce one and use the other.
//   - A byte order mark, and a single 0x1A behind the last UNZ, are passed over
//     with a note. NUL is an error everywhere, as is text before the first segment.
//   - Trailing empty elements and components are read as they stand and not written.
//   - A file that was cut off is never complete: a [Walker] ends with io.EOF
//     only behind a UNZ.
//
// # What it refuses to do
//
// It guesses nothing: bytes that are no EDIFACT end the reading, with their
// place, and are never skipped. It holds no file in memory. Its errors carry
// places, tags, counts and references, and never a value of a message.
package edifact
