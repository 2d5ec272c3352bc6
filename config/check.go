package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gateway301/exchange"
)

// check compares what the sections say with one another, and fills in the
// defaults that depend on other sections.
func (r *reader) check(f *File) {
	if r.overflow {
		return
	}
	switch given := r.has("dsn"); {
	case f.Shared() && !given:
		r.fault(CodeMissing, "store", `store: postgres without "dsn"`, "write dsn: credential:NAME, where NAME holds a postgres:// URL")
	case given && !f.Shared():
		r.idle("", "dsn", "the ledger is a SQLite file")
	}
	if !f.Shared() {
		r.idle("", "takeover-after", "there is one node, since the ledger is a SQLite file")
	}
	names := r.checkNames(f)
	r.checkIdentities(f)
	r.checkTrust(f)
	r.checkExceptions(f)
	r.checkOutboxes(f)
	for i := range f.Partners {
		r.checkPartner(f, &f.Partners[i], row("partners", i))
		r.checkStage4(f, &f.Partners[i], row("partners", i))
		r.checkPartnerFolders(f, f.Partners[i].Folder, row("partners", i)+".folder")
	}
	r.checkRoutes(f, names)
	r.checkMandates(f)
	r.checkServer(f)
	r.checkFolders(f)
	if r.find("").Kind == mappingNode && len(f.Outboxes) == 0 && len(f.Partners) == 0 {
		r.fault(CodeMissing, "", "neither outboxes nor partners, so there is nothing to do", "")
	}
}

// row writes the path of a row.
func row(section string, i int) string { return section + "[" + strconv.Itoa(i) + "]" }

// checkNames finds names that are used twice and gives the partners' names.
// Outboxes and partners share their names, since both are accounts.
func (r *reader) checkNames(f *File) (partners map[string]int) {
	accounts := map[string]string{}
	taken := func(path, name string, seen map[string]string) {
		if name == "" {
			return
		}
		if first, ok := seen[name]; ok {
			r.fault(CodeTwice, path+".name", fmt.Sprintf("the name %q is taken", clip(name)), "by "+r.other(first, path)+"; choose another")
			return
		}
		seen[name] = path
	}
	for i, o := range f.Outboxes {
		taken(row("outboxes", i), o.Name, accounts)
	}
	partners = map[string]int{}
	for i, p := range f.Partners {
		taken(row("partners", i), p.Name, accounts)
		if _, ok := partners[p.Name]; !ok && p.Name != "" {
			partners[p.Name] = i
		}
	}
	routes := map[string]string{}
	for i, x := range f.Routes {
		taken(row("routes", i), x.Name, routes)
	}
	return partners
}

func (r *reader) checkIdentities(f *File) {
	if len(f.Identities) == 0 && r.has("identities") && r.find("identities").Kind == sequenceNode {
		r.fault(CodeMissing, "identities", "no identity", "the gateway needs an IK of its own, with key and certificate")
	}
	collected := slices.IndexFunc(f.Partners, func(p Partner) bool { return p.Collected() })
	seen := map[string]int{}
	for i, id := range f.Identities {
		path := row("identities", i)
		if first, ok := seen[id.IK]; ok && id.IK != "" {
			r.fault(CodeTwice, path+".ik", "IK "+id.IK+" is an identity already", "in "+r.other(row("identities", first), path)+"; keep one")
		} else {
			seen[id.IK] = i
		}
		if collected >= 0 && !r.has(path+".inbox") {
			r.fault(CodeMissing, path, `"inbox" is missing`,
				fmt.Sprintf("partner %q is collected from, and what arrives for this IK needs a folder", clip(f.Partners[collected].Name)))
		}
	}
}

func (r *reader) checkTrust(f *File) {
	if len(f.Partners) > 0 && !r.has("trust.roots") {
		r.fault(CodeMissing, "trust", `"trust.roots" is missing`, "without the certificates of the trust centre no signature can be judged")
	}
	sends := slices.ContainsFunc(f.Partners, func(p Partner) bool { return p.sends() }) // files or answers
	if sends && !r.has("trust.certificates") {
		r.fault(CodeMissing, "trust", `"trust.certificates" is missing`, "without the partners' certificates nothing can be encrypted")
	}
}

// checkExceptions finds rows that speak of the same IK.
func (r *reader) checkExceptions(f *File) {
	seen := map[string]int{}
	for i, e := range f.Trust.Exceptions {
		if first, ok := seen[e.IK]; ok && e.IK != "" {
			r.fault(CodeTwice, row("trust.exceptions", i)+".ik", "IK "+e.IK+" has an exception already", "in "+r.other(row("trust.exceptions", first), row("trust.exceptions", i))+"; keep one")
			continue
		}
		seen[e.IK] = i
	}
}

func (r *reader) checkOutboxes(f *File) {
	for i := range f.Outboxes {
		o, path := &f.Outboxes[i], row("outboxes", i)
		if o.Owner != "" && !f.isOurs(o.Owner) && r.identified(f) {
			r.fault(CodeReference, path+".owner", "IK "+o.Owner+" is not one of the identities", "its files could not be signed; add it to identities")
		}
		for _, suffix := range o.Ignore {
			if o.Marker != "" && strings.HasSuffix(o.Marker, suffix) {
				r.fault(CodeConflict, path+".marker", fmt.Sprintf("files ending in %q are ignored, so no file would ever be complete", clip(suffix)), "choose another marker, or set ignore")
				break
			}
		}
		fits := func(x exchange.Route) bool { return x.Mode == o.Mode || x.Mode == "" }
		if o.Mode != "" && len(f.Routes) > 0 && !slices.ContainsFunc(f.Routes, fits) {
			r.warn(CodeNoEffect, path+".mode", fmt.Sprintf("there is no route of mode %s, so every file would be held", o.Mode), "add one")
		}
	}
	if len(f.Outboxes) > 0 && len(f.Routes) == 0 && !r.has("routes") {
		r.warn(CodeNoEffect, "outboxes", "there are no routes, so every file would be held", "add routes")
	}
}

// listed reports whether a section is a list of rows, or absent. When it is
// neither, that was said already, and what refers to its rows may be right.
func (r *reader) listed(section string) bool {
	return !r.partial && (!r.has(section) || r.find(section).Kind == sequenceNode)
}

// identified reports whether every identity could be read.
func (r *reader) identified(f *File) bool { return r.listed("identities") && !f.isOurs("") }

// isOurs reports whether an IK is one of the identities.
func (f *File) isOurs(ik string) bool {
	return slices.ContainsFunc(f.Identities, func(id Identity) bool { return id.IK == ik })
}

func (r *reader) checkPartner(f *File, p *Partner, path string) {
	if len(p.PGP) > 0 && !slices.ContainsFunc(f.Identities, func(i Identity) bool { return len(i.PGP) > 0 }) {
		r.fault(CodeReference, path+".pgp-keys", "no identity has an OpenPGP key of its own", "add pgp-keys to the identity that signs and opens")
	}
	channel := ""
	switch {
	case r.has(path+".sftp") && r.has(path+".folder"):
		r.fault(CodeConflict, path+".folder", `both "sftp" and "folder"`, "a partner is reached one way; keep one")
	case r.has(path + ".sftp"):
		channel = path + ".sftp"
	case r.has(path + ".folder"):
		channel = path + ".folder"
	case r.find(path).Kind == mappingNode:
		r.fault(CodeMissing, path, `neither "sftp" nor "folder"`, "say how the partner is reached")
	}
	if channel == "" || r.find(channel).Kind != mappingNode {
		return
	}
	put, get := r.has(channel+".put"), r.has(channel+".get")
	if !put && !get {
		r.fault(CodeMissing, channel, `neither "put" nor "get"`, "name the folder to send to, the folder to collect from, or both")
	}
	switch {
	case get:
	case p.Answers == exchange.AnswersAlways:
		r.fault(CodeConflict, path+".answers", `answers are expected, but there is no "get" folder in which they could arrive`, "add get, or write answers: never")
	case r.has(path+".answers") && p.Answers == exchange.AnswersErrorsOnly:
		r.warn(CodeConflict, path+".answers", `there is no "get" folder in which a rejection could arrive`, "add get, or write answers: never")
	}
	if !get {
		for _, key := range []string{"collect", "collect-every", "incomplete-after"} {
			r.idle(path, key, `there is no "get" folder`)
		}
	}
	if !put {
		for _, key := range []string{"window", "grace", "first-number", "creation-time", "order", "order-wait", "order-then", "repeats-within", "when-vanished"} {
			r.idle(path, key, `there is no "put" folder`)
		}
		if p.Positive {
			r.fault(CodeConflict, path+".positive", `there is no "put" folder for the answers`, "add put")
		}
	}
	if !get {
		for _, key := range []string{"reject", "max-size"} {
			r.idle(path, key, `there is no "get" folder`)
		}
	}
	if !put {
		for _, key := range []string{"on-findings", "charset"} {
			r.idle(path, key, `there is no "put" folder`)
		}
	}
	if p.SFTP != nil && p.SFTP.Temporary == TemporaryNone {
		r.warn(CodeNoRename, channel+".temporary", "files grow under their final name at this partner; the Auftragsdatei still comes last, and only it tells that a payload is complete", "use suffix or dot if the partner's server can rename")
	}
	if p.Window.Always() {
		r.idle(path, "grace", "the window is always open")
	}
	if p.Answers == exchange.AnswersNever {
		r.idle(path, "answer-period", "answers are never expected")
	}
	if !p.Positive {
		r.idle(path, "positive-code", "positive is false")
	} else if !r.has(path + ".positive-code") {
		r.fault(CodeMissing, path+".positive", `"positive-code" is missing`, "the partner must know which FHL.4 code means accepted")
	}
	for i, code := range p.HintCodes {
		if slices.Contains(p.AcceptCodes, code) {
			r.fault(CodeConflict, row(path+".hint-codes", i), fmt.Sprintf("code %q is among accept-codes too", code), "keep one")
		}
	}
	if p.Retry.Max < p.Retry.First {
		r.fault(CodeConflict, path+".retry", "max ("+writeDuration(p.Retry.Max)+") is shorter than first ("+writeDuration(p.Retry.First)+")", "raise max, or lower first")
	}
}

// checkStage4 warns where stage 4 is spoken of and there is none.
func (r *reader) checkStage4(f *File, p *Partner, path string) {
	if f.Checks.Stage4() {
		return
	}
	for _, key := range []string{"on-findings.stage-4", "reject.stage-4"} {
		r.idle(path, key, "there are no checks of stage 4; set checks.hook or checks.insured-list")
	}
}

// checkPartnerFolders reports folders of a partner that are not there: they belong
// to somebody else, and a file system that is not mounted must not look like an
// empty one. Only those of the built-in server are made by the gateway.
func (r *reader) checkPartnerFolders(f *File, folder *Folder, path string) {
	if folder == nil {
		return
	}
	for _, side := range []struct{ path, folder string }{{path + ".put", folder.Put}, {path + ".get", folder.Get}} {
		if side.folder == "" {
			continue
		}
		if f.Server != nil && f.Server.Root != "" && strings.HasPrefix(side.folder, f.Server.Root+string(filepath.Separator)) {
			r.willExist(side.folder, side.path)
			r.checkAccountFolder(f, side.folder, side.path, side.folder == folder.Get)
			continue
		}
		switch info, err := r.stat(side.folder); {
		case err != nil:
			r.fault(CodeFile, side.path, r.shown(side.folder, side.path)+": "+reason(err), "a partner's folder is not created by the gateway")
		case !info.IsDir():
			r.fault(CodeFile, side.path, r.shown(side.folder, side.path)+" is "+errNotFolder.Error(), "")
		}
	}
}

// idle warns of a key that changes nothing.
func (r *reader) idle(path, key, because string) {
	if path != "" {
		key = path + "." + key
	}
	if r.has(key) {
		r.warn(CodeNoEffect, key, "has no effect: "+because, "")
	}
}

func (r *reader) checkRoutes(f *File, partners map[string]int) {
	names := make([]string, 0, len(f.Partners))
	for _, p := range f.Partners {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	produces := map[int]bool{}
	above := newRowsAbove(f.Routes)
	outboxes := map[string]exchange.Mode{}
	for _, o := range f.Outboxes {
		outboxes[o.Name] = o.Mode
	}
	for i := range f.Routes {
		route, path := &f.Routes[i], row("routes", i)
		at, known := partners[route.Partner]
		if known {
			p := &f.Partners[at]
			if route.EncryptTo == "" && !r.has(path+".encrypt-to") {
				route.EncryptTo = p.IK
			}
			if route.SendTo == "" && !r.has(path+".send-to") {
				route.SendTo = p.IK
			}
			if p.sends() {
				produces[at] = produces[at] || route.Mode == exchange.Production
			} else if p.SFTP != nil || p.Folder != nil {
				r.fault(CodeConflict, path+".partner", fmt.Sprintf(`partner %q has no "put" folder`, clip(route.Partner)), "nothing can be sent to it; add put")
			}
		} else if route.Partner != "" && r.listed("partners") {
			r.fault(CodeReference, path+".partner", fmt.Sprintf("unknown partner %q", clip(route.Partner)), r.meantOrFew(route.Partner, names))
		}
		if r.broken[i] { // what it takes is not known
			continue
		}
		r.checkRoute(route, path, outboxes)
		if by, ok := above.cover(route); ok {
			r.fault(CodeUnreachable, path, "no file can reach this route, "+r.routesAbove(f, by, r.find(path).Line)+takeAll(by), "move it up, or remove it")
		} else if by, ok := above.overlap(route); ok {
			r.warn(CodeOverlap, path, fmt.Sprintf("some of its files go to %s first, and others of that route do not fit here", r.routesAbove(f, []int{by}, r.find(path).Line)),
				"narrow one of the two, so that their order does not matter")
		}
		above.add(i)
	}
	for at := range f.Partners {
		p, path := &f.Partners[at], row("partners", at)
		if produces[at] && p.First == nil && !r.has(path+".first-number") {
			r.warn(CodeFirstNumber, path, fmt.Sprintf(`production files go to partner %q, and "first-number" is not set`, clip(p.Name)),
				"give the number after the last one that was sent before, or 1 for a fresh start")
			if !r.overflow {
				r.problems[len(r.problems)-1].Subject = p.Name
			}
		}
	}
}

// sends reports whether there is a folder to put files in.
func (p *Partner) sends() bool {
	return p.SFTP != nil && p.SFTP.Put != "" || p.Folder != nil && p.Folder.Put != ""
}

// meantOrFew is meantOr for names, of which there may be thousands.
func (r *reader) meantOrFew(wrong string, names []string) string {
	if len(names) <= 10 && len(names) > 0 {
		return r.meantOr(wrong, names)
	}
	if near := r.meant(wrong, names); near != "" {
		return near
	}
	return "add it to partners"
}

// routesAbove words which rows cover another.
func (r *reader) routesAbove(f *File, by []int, from int) string {
	const most = 3
	var words []string
	for _, i := range by {
		if len(words) == most {
			words = append(words, "…")
			break
		}
		words = append(words, fmt.Sprintf("%q (%s)", clip(f.Routes[i].Name), r.line(r.find(row("routes", i)).Line, from)))
	}
	return strings.Join(words, ", ")
}

func (r *reader) checkMandates(f *File) {
	accounts := map[string]bool{} // name → is an outbox
	var names []string
	for _, o := range f.Outboxes {
		accounts[o.Name] = true
		names = append(names, o.Name)
	}
	for _, p := range f.Partners {
		if _, ok := accounts[p.Name]; !ok {
			accounts[p.Name] = false
		}
		names = append(names, p.Name)
	}
	for i, m := range f.SpeaksFor {
		path := row("speaks-for", i)
		outbox, known := accounts[m.Account]
		switch {
		case m.Account != "" && !known && r.listed("partners") && r.listed("outboxes"):
			r.fault(CodeReference, path+".account", fmt.Sprintf("unknown account %q", clip(m.Account)), r.meantOrFew(m.Account, names))
		case outbox && m.Owner != "" && !f.isOurs(m.Owner) && !slices.ContainsFunc(m.Signers, f.isOurs) && r.identified(f):
			r.fault(CodeReference, path+".owner", "neither IK "+m.Owner+" nor one of the signers is one of the identities", "its files could not be signed; add one of them to identities")
		}
		if !m.From.IsZero() && !m.Until.IsZero() && !m.From.Before(m.Until) {
			r.fault(CodeConflict, path+".until", "until is not after from, so the row never holds", "until is the first day on which it no longer holds")
		}
	}
}

func (r *reader) checkServer(f *File) {
	if f.Server == nil {
		return
	}
	if r.has("server.accounts") && len(f.Server.Accounts) == 0 && r.find("server.accounts").Kind == sequenceNode {
		r.fault(CodeMissing, "server.accounts", "no account, so nobody could log in", "")
	}
	seen := map[string]int{}
	for i, a := range f.Server.Accounts {
		if first, ok := seen[a.Name]; ok && a.Name != "" {
			r.fault(CodeTwice, row("server.accounts", i)+".name", fmt.Sprintf("the name %q is taken", clip(a.Name)), "by "+r.other(row("server.accounts", first), row("server.accounts", i))+"; choose another")
			continue
		}
		seen[a.Name] = i
	}
}

// checkFolders looks at the folders that the gateway writes to or takes files
// from: none may be two things at once, or files would go in circles.
func (r *reader) checkFolders(f *File) {
	used := map[string]string{} // folder → path in the file
	claim := func(folder, path string) {
		if folder == "" {
			return
		}
		if other, ok := used[folder]; ok {
			r.fault(CodeConflict, path, "the same folder as "+r.other(other, path), "each needs a folder of its own")
			return
		}
		used[folder] = path
	}
	claim(f.Spool, "spool")
	r.willExist(f.Spool, "spool")
	r.noFolder(f.Ledger, "ledger")
	for i, o := range f.Outboxes {
		path := row("outboxes", i)
		claim(o.Path, path+".path")
		r.willExist(o.Path, path+".path")
		if o.Name != "" || r.has(path+".quarantine") {
			claim(o.Quarantine, path+".quarantine")
		}
		r.mayExist(o.Quarantine, path+".quarantine")
	}
	for i, id := range f.Identities {
		path := row("identities", i) + ".inbox"
		if _, own := used[id.Inbox]; own || !r.sharedInbox(f, i) { // several identities may share one inbox
			claim(id.Inbox, path)
		}
		r.willExist(id.Inbox, path)
	}
	for i, x := range f.Routes { // several routes may share one folder for copies
		path := row("routes", i) + ".copy-to"
		if other, ok := used[x.CopyTo]; !ok || !strings.HasSuffix(other, ".copy-to") {
			claim(x.CopyTo, path)
		}
		r.willExist(x.CopyTo, path)
	}
	servers := map[string]string{}
	for i, p := range f.Partners {
		path := row("partners", i)
		if p.Folder != nil {
			claim(p.Folder.Put, path+".folder.put")
			claim(p.Folder.Get, path+".folder.get")
		}
		if p.SFTP == nil || p.SFTP.Address == "" {
			continue
		}
		for _, side := range []struct{ key, folder string }{{".sftp.put", p.SFTP.Put}, {".sftp.get", p.SFTP.Get}} {
			if side.folder == "" {
				continue
			}
			where := p.SFTP.User + "\x00" + p.SFTP.Address + "\x00" + side.folder
			if other, ok := servers[where]; ok {
				r.fault(CodeConflict, path+side.key, "the same folder of the same server as "+r.other(other, path), "each needs a folder of its own")
				continue
			}
			servers[where] = path + side.key
		}
	}
	if f.Server != nil {
		claim(f.Server.Root, "server.root")
		r.willExist(f.Server.Root, "server.root")
	}
}

// sharedInbox reports whether an earlier identity has the same inbox.
func (r *reader) sharedInbox(f *File, i int) bool {
	return slices.ContainsFunc(f.Identities[:i], func(id Identity) bool { return id.Inbox == f.Identities[i].Inbox })
}

// willExist says when a folder is not there yet: the service creates it, but a
// slip of the pen would look the same.
func (r *reader) willExist(folder, path string) {
	if folder == "" || !r.has(path) {
		r.mayExist(folder, path)
		return
	}
	if _, err := r.stat(folder); os.IsNotExist(err) {
		r.warn(CodeNewFolder, path, r.shown(folder, path)+" does not exist yet", "the service will create it for itself alone (mode 0700)")
		return
	}
	r.mayExist(folder, path)
}

// mayExist reports a path that should become a folder and cannot.
func (r *reader) mayExist(folder, path string) {
	if folder == "" {
		return
	}
	if info, err := r.stat(folder); err == nil && !info.IsDir() {
		r.fault(CodeFile, path, r.shown(folder, path)+" is "+errNotFolder.Error(), "")
	} else if err != nil && !os.IsNotExist(err) {
		r.fault(CodeFile, path, r.shown(folder, path)+": "+reason(err), "")
	}
}

// shown writes a file as the configuration does.
func (r *reader) shown(file, path string) string {
	if r.has(path) {
		return clip(r.find(path).Value)
	}
	if rel, err := filepath.Rel(r.dir, file); err == nil {
		return rel
	}
	return file
}

// noFolder reports a ledger that cannot be a file.
func (r *reader) noFolder(file, path string) {
	if file == "" {
		return
	}
	if info, err := r.stat(file); err == nil && !info.Mode().IsRegular() {
		r.fault(CodeFile, path, r.shown(file, path)+" is "+errNotFile.Error(), "")
	}
}
