// Package intake takes finished files out of the outboxes, the folders in which
// hospital systems lay down what is to be sent. From then on a file is a
// delivery: its bytes stand in the spool, its row in the ledger.
//
// # When is a file finished?
//
// An [Intake] looks at its folder every now and then. File events only wake it;
// a full listing is the truth, since events can be lost and do not exist on
// network file systems. A file is finished when the first of these holds:
//
//   - It was renamed in: the same file was seen under a temporary suffix before.
//   - Its marker is there, where the outbox has one: FILE is finished when
//     FILE.ok exists. Such an outbox knows no quiet period.
//   - Size, time and inode were the same in as many looks as the outbox asks
//     for, and its last segment is UNZ.
//   - It does not end in UNZ, but was quiet for ten times as many looks: it goes
//     to quarantine, where a writer that goes on after all still reaches it. Nobody
//     would hear of it otherwise. An empty file waits as long.
//
// A finished file must still be the same once it is copied and hashed, else it
// is put back among those that are watched. Names that begin with a dot or end
// in a temporary suffix are passed over. What is no regular file (a folder, a
// symbolic link, a pipe) is never taken and told once.
//
// # Taking over
//
//	outbox/x.edi ──copy, hash, sync──> spool/TOKEN/plain   a crash here leaves an orphan in the spool
//	             ──still the same?───> ledger row         a crash here leaves the original, which is known
//	             ──still the same?───> original removed
//
// The row carries the original's fingerprint (inode, size, times). An original
// whose fingerprint and hash are those of a row of its outbox and name was taken
// already, and is only removed. The change time is part of it: no program can
// set it, so the very same file laid down a second time is another delivery.
// An original that changed after its row was written stays and is watched
// again; the row taken stands, and the text of the next one names it.
//
// Empty, unreadable and oversize files become rows in state quarantined and move
// to the quarantine folder, each with a reason beside it (NAME.reason.txt) that
// says nothing of the content. Unreadable means several times in a row, a pause
// apart: a passing fault costs no file its delivery.
//
// # What it refuses to do
//
// It does not judge content and looks at no more of it than the last segment's
// tag. It takes nothing while the spool's disk is below its floor. It follows no
// symbolic link and enters no subfolder. Two processes must not share an outbox.
package intake
