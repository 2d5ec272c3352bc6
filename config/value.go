package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"gateway301/annex"
	"gateway301/schedule"
)

// scalar gives the text of n if it is one of the kinds that tags list.
func (r *reader) scalar(n *yaml.Node, path, what, fix string, tags ...string) (string, bool) {
	if n.Kind != yaml.ScalarNode || !slices.Contains(tags, n.ShortTag()) {
		r.want(n, path, what, fix)
		return "", false
	}
	return n.Value, true
}

// words reads n as text without surprises. A number without quotes is text too.
func (r *reader) words(n *yaml.Node, path string) (string, bool) {
	v, ok := r.scalar(n, path, "text", quoteIt, "!!str", "!!int")
	switch {
	case !ok:
		return "", false
	case v == "":
		r.at(n, Error, CodeValue, path, "is empty", "give a value, or remove the key")
	case strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f }):
		r.at(n, Error, CodeValue, path, "contains a line break or control character", "write it on one line")
	case strings.TrimSpace(v) != v:
		r.at(n, Error, CodeValue, path, "begins or ends with a blank", "remove it")
	case v[0] == '<' && v[len(v)-1] == '>':
		r.at(n, Error, CodePlaceholder, path, fmt.Sprintf("%q is a placeholder", clip(v)), "replace it")
	default:
		return v, true
	}
	return "", false
}

// text reads a key's text, def when it is not given.
func (s *section) text(key, def string) string {
	s.note(Field{Key: key, Kind: KindText, Default: def})
	n := s.take(key)
	if n == nil {
		return def
	}
	v, _ := s.r.words(n, s.sub(key))
	return v
}

// need reads the text of a key that must be given.
func (s *section) need(key, fix string) string {
	s.missing(key, fix)
	return s.text(key, "")
}

// name reads a name: letters, digits, dot, dash and underscore, 64 at most. It
// becomes part of paths and command lines.
func (s *section) name(key string) string {
	s.note(Field{Key: key, Kind: KindName})
	v := s.need(key, "")
	if v != "" && !isName(v) {
		s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("%q is not a name", clip(v)),
			"use letters, digits, dot, dash and underscore, 64 at most, a letter or digit first")
	}
	return v
}

// IsName reports whether v may name a partner, outbox or account.
func IsName(v string) bool { return isName(v) }

func isName(v string) bool {
	for i, c := range v {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '-' || c == '_'):
		default:
			return false
		}
	}
	return v != "" && len(v) <= 64
}

// choice reads one of several words; an empty def means that one must be given.
func (s *section) choice(key, def string, words ...string) string {
	s.note(Field{Key: key, Kind: KindChoice, Default: def, Choices: words})
	if def == "" {
		s.missing(key, "possible: "+strings.Join(words, ", "))
	}
	v := s.text(key, def)
	if v != "" && !slices.Contains(words, v) {
		s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("unknown value %q", clip(v)), s.r.meantOr(v, words))
		return ""
	}
	return v
}

// choiceOrNone is choice for a key that need not be given and has no default.
func (s *section) choiceOrNone(key string, words ...string) string {
	s.note(Field{Key: key, Kind: KindChoice, Choices: words})
	if !s.has(key) {
		s.take(key)
		return ""
	}
	return s.choice(key, words[0], words...)
}

// pairs reads a mapping with free keys: one is called for each with its key, its path
// and its value. keys and choices describe them.
func (s *section) pairs(key, keys string, choices []string, one func(key, path string, n *yaml.Node)) {
	s.note(Field{Key: key, Kind: KindPairs, Item: keys, Choices: choices})
	b := s.below(key)
	if b == nil {
		return
	}
	for _, k := range b.keys {
		if n := b.take(k.Value); n != nil {
			one(k.Value, b.sub(k.Value), n)
		}
	}
}

// program reads the path of a file that this user may run.
func (s *section) program(key string) string {
	v := s.file(key)
	if v == "" {
		return ""
	}
	s.r.runnable(s.value[key], s.sub(key), v)
	return v
}

// runnable reports a program that this user may not run.
func (r *reader) runnable(n *yaml.Node, path, program string) {
	if _, err := r.stat(program); err != nil {
		r.at(n, Error, CodeFile, path, clip(n.Value)+": "+reason(err), "")
	} else if unix.Access(program, unix.X_OK) != nil {
		r.at(n, Error, CodePermission, path, clip(n.Value)+" cannot be run by this user", "chmod +x "+clip(n.Value))
	}
}

// folder reads the path of a folder that must exist.
func (s *section) folder(key string) string {
	s.note(Field{Key: key, Kind: KindPath})
	n := s.take(key)
	if n == nil {
		return ""
	}
	v, ok := s.r.readPath(n, s.sub(key))
	if !ok {
		return ""
	}
	info, err := s.r.stat(v)
	switch {
	case err != nil:
		s.r.at(n, Error, CodeFile, s.sub(key), clip(n.Value)+": "+reason(err), "")
	case !info.IsDir():
		s.r.at(n, Error, CodeFile, s.sub(key), clip(n.Value)+" is "+errNotFolder.Error(), "")
	default:
		return v
	}
	return ""
}

func (s *section) flag(key string, def bool) bool {
	s.note(Field{Key: key, Kind: KindFlag, Default: strconv.FormatBool(def)})
	n := s.take(key)
	if n == nil {
		return def
	}
	v, ok := s.r.scalar(n, s.sub(key), "true or false", "", "!!bool")
	if !ok {
		return def
	}
	return strings.EqualFold(v, "true")
}

// whole reads a whole number within limits; given tells whether there is one.
func (s *section) whole(key string, def, least, most int) (v int, given bool) {
	s.note(Field{Key: key, Kind: KindWhole, Default: strconv.Itoa(def), Least: strconv.Itoa(least), Most: strconv.Itoa(most)})
	n := s.take(key)
	if n == nil {
		return def, false
	}
	text, ok := s.r.scalar(n, s.sub(key), "a whole number", "", "!!int")
	if !ok {
		return def, false
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < least || v > most {
		s.r.fault(CodeValue, s.sub(key), clip(text)+" is out of range", fmt.Sprintf("possible: %d to %d", least, most))
		return def, false
	}
	return v, true
}

func (s *section) duration(key string, def, least, most time.Duration) time.Duration {
	s.note(Field{Key: key, Kind: KindDuration, Default: writeDuration(def), Least: writeDuration(least), Most: writeDuration(most)})
	n := s.take(key)
	if n == nil {
		return def
	}
	v, ok := s.r.scalar(n, s.sub(key), "a duration", "write it with units, such as 90s, 15m, 2h30m or 14d", "!!str", "!!int")
	if !ok {
		return def
	}
	d, err := parseDuration(v)
	switch {
	case errors.Is(err, errNoUnit):
		s.r.fault(CodeValue, s.sub(key), clip(v)+" has no unit", fmt.Sprintf("write %ss, %sm, %sh or %sd", clip(v), clip(v), clip(v), clip(v)))
	case err != nil:
		s.wrong(key, v, err)
	case d < least || d > most:
		s.r.fault(CodeValue, s.sub(key), clip(v)+" is out of range", "possible: "+writeDuration(least)+" to "+writeDuration(most))
	default:
		return d
	}
	return def
}

// wrong reports a value whose error reads "what is wrong: what to write".
func (s *section) wrong(key, v string, err error) {
	what, fix, _ := strings.Cut(err.Error(), ": ")
	s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("%q is %s", clip(v), what), fix)
}

// writeDuration is the reverse of parseDuration.
func writeDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > 0 && d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d > 0 && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d > 0 && d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	case d%time.Second == 0:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(int64(d/time.Millisecond), 10) + "ms"
}

// size reads bytes with a unit.
func (s *section) size(key string, def, least int64) int64 {
	shown := writeSize(def)
	if def < least {
		shown = "" // none
	}
	s.note(Field{Key: key, Kind: KindSize, Default: shown, Least: writeSize(least)})
	n := s.take(key)
	if n == nil {
		return def
	}
	v, ok := s.r.scalar(n, s.sub(key), "a size", "write it with its unit, such as 500MB or 2GiB", "!!str", "!!int")
	if !ok {
		return def
	}
	size, err := parseSize(v)
	switch {
	case errors.Is(err, errNoUnit):
		s.r.fault(CodeValue, s.sub(key), clip(v)+" has no unit", fmt.Sprintf("write %sMiB or %sGiB", clip(v), clip(v)))
	case err != nil:
		s.wrong(key, v, err)
	case size < least:
		s.r.fault(CodeValue, s.sub(key), clip(v)+" is out of range", fmt.Sprintf("%dB is the least", least))
	default:
		return size
	}
	return def
}

// window reads a window: text or a list of texts.
func (s *section) window(key string) schedule.Window {
	s.note(Field{Key: key, Kind: KindWindow, Default: "always"})
	n := s.take(key)
	if n == nil {
		return schedule.Window{}
	}
	var specs []string
	if n.Kind == yaml.SequenceNode {
		specs = s.r.list(n, s.sub(key), "one such as \"22:00-05:00\"", s.r.words)
	} else if v, ok := s.r.words(n, s.sub(key)); ok {
		specs = []string{v}
	}
	w, err := schedule.ParseWindow(specs...)
	if we, ok := errors.AsType[*schedule.WindowError](err); ok {
		what, fix, _ := strings.Cut(we.Err.Error(), ": ")
		s.r.fault(CodeWindow, s.sub(key), fmt.Sprintf("%q %s", clip(we.Text), what), fix)
	}
	return w
}

// list reads a list of values, each by read. Empty lists and repeated values are
// problems.
func (r *reader) list(n *yaml.Node, path, what string, read func(n *yaml.Node, path string) (string, bool)) []string {
	if n.Kind != yaml.SequenceNode {
		r.want(n, path, "a list", "write it in brackets: [ ]")
		return nil
	}
	content := r.children(n)
	if len(content) == 0 && !r.overflow {
		r.at(n, Error, CodeValue, path, "is an empty list", "give "+what+", or remove the key")
	}
	values := make([]string, 0, len(content))
	seen := make(map[string]bool, len(content))
	for i, c := range content {
		sub := path + "[" + strconv.Itoa(i) + "]"
		c, ok := r.plain(c, sub)
		if !ok {
			continue
		}
		v, ok := read(c, sub)
		switch {
		case !ok:
		case seen[v]:
			r.at(c, Error, CodeTwice, sub, fmt.Sprintf("%q is listed twice", clip(v)), "keep one")
		default:
			seen[v] = true
			values = append(values, v)
		}
	}
	return values
}

// texts reads a list of values; emptyIsFine says whether an empty one means none.
func (s *section) texts(key, what string, emptyIsFine bool, read func(n *yaml.Node, path string) (string, bool)) []string {
	s.note(Field{Key: key, Kind: KindList, Item: what})
	n := s.take(key)
	if n == nil || emptyIsFine && n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		return nil
	}
	return s.r.list(n, s.sub(key), what, read)
}

// choices reads a list of words out of those that are possible.
func (s *section) choices(key, what string, words ...string) []string {
	s.note(Field{Key: key, Kind: KindList, Item: what, Choices: words})
	return s.texts(key, what, true, func(n *yaml.Node, path string) (string, bool) {
		v, ok := s.r.words(n, path)
		if ok && !slices.Contains(words, v) {
			s.r.at(n, Error, CodeValue, path, fmt.Sprintf("unknown value %q", clip(v)), s.r.meantOr(v, words))
			return "", false
		}
		return v, ok
	})
}

// checkIK reports an IK that is not valid.
func (r *reader) checkIK(v, path string) bool {
	if annex.Placeholder(v) {
		r.fault(CodePlaceholder, path, "IK "+v+" is a placeholder", "replace it")
		return false
	}
	if err := annex.ValidIK(v); err != nil {
		r.fault(CodeIK, path, err.Error(), "")
		return false
	}
	return true
}

func (r *reader) readIK(n *yaml.Node, path string) (string, bool) {
	v, ok := r.words(n, path)
	return v, ok && r.checkIK(v, path)
}

// ik reads an IK, def when it is not given.
func (s *section) ik(key, def string) string {
	s.note(Field{Key: key, Kind: KindIK})
	n := s.take(key)
	if n == nil {
		return def
	}
	v, ok := s.r.readIK(n, s.sub(key))
	if !ok {
		return ""
	}
	return v
}

// iks reads a list of IKs.
func (s *section) iks(key string, emptyIsFine bool) []string {
	return s.texts(key, "an IK", emptyIsFine, s.r.readIK)
}

// readPath makes the path at n absolute.
func (r *reader) readPath(n *yaml.Node, path string) (string, bool) {
	v, ok := r.words(n, path)
	if !ok {
		return "", false
	}
	if form, rest, found := strings.Cut(v, ":"); found && (form == "file" || form == "env" || form == "credential") {
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is a reference to a secret, a plain path belongs here", clip(v)), "write "+clip(rest))
		return "", false
	}
	if v == "~" || strings.HasPrefix(v, "~/") {
		r.at(n, Error, CodeValue, path, "~ is not expanded", "write the path in full")
		return "", false
	}
	return r.abs(v), true
}

// abs makes a path absolute, starting at the folder of the YAML file.
func (r *reader) abs(v string) string {
	if filepath.IsAbs(v) {
		return filepath.Clean(v)
	}
	return filepath.Join(r.dir, v)
}

// location reads a local path, def (which may be relative too) when it is not
// given; an empty def means none.
func (s *section) location(key, def string) string {
	s.note(Field{Key: key, Kind: KindPath, Default: def})
	n := s.take(key)
	if n == nil {
		if def == "" {
			return ""
		}
		return s.r.abs(def)
	}
	v, _ := s.r.readPath(n, s.sub(key))
	return v
}

// secret reads a reference to a secret and looks whether it is there. No message
// repeats a value that may be the secret itself.
func (s *section) secret(key string) Secret {
	s.note(Field{Key: key, Kind: KindReference})
	n := s.take(key)
	if n == nil {
		return Secret{}
	}
	return s.r.readSecret(n, s.sub(key))
}

func (r *reader) readSecret(n *yaml.Node, path string) Secret {
	v, ok := r.scalar(n, path, "a reference to a secret", "write file:PATH, env:NAME or credential:NAME", "!!str", "!!int")
	if !ok {
		return Secret{}
	}
	secret, err := ParseSecret(v, r.dir)
	if err != nil {
		fix := "write file:PATH, env:NAME or credential:NAME"
		if _, err := os.Stat(r.abs(v)); v != "" && err == nil {
			fix = "write file:" + clip(v)
		}
		r.at(n, Error, CodeSecret, path, "a secret is given by reference only", fix)
		return Secret{}
	}
	r.lookAtSecret(n, path, secret)
	return secret
}

// lookAtSecret reports a secret that is not there or that others may read.
func (r *reader) lookAtSecret(n *yaml.Node, path string, secret Secret) {
	switch secret.kind {
	case secretFile:
		info, ok := r.regular(n, path, secret.name, clip(strings.TrimPrefix(secret.text, "file:")))
		if ok && info.Mode().Perm()&0o077 != 0 {
			r.at(n, Error, CodePermission, path,
				fmt.Sprintf("%s is readable by group or others (mode %04o)", clip(secret.text), info.Mode().Perm()),
				"chmod 600 "+strings.TrimPrefix(secret.text, "file:"))
		}
	case secretEnv:
		if os.Getenv(secret.name) == "" {
			r.at(n, Warning, CodeSecret, path, "environment variable "+clip(secret.name)+" is not set here", "the service needs it at start")
		}
	case secretCredential:
		file, ok := secret.Path()
		if ok {
			_, err := r.stat(file)
			ok = err == nil
		}
		if !ok {
			r.at(n, Warning, CodeSecret, path, "credential "+clip(secret.name)+" is not there here",
				"the service needs LoadCredential="+clip(secret.name)+":PATH in its unit")
		}
	}
}

// stat looks at a path once per load.
func (r *reader) stat(path string) (os.FileInfo, error) {
	if s, ok := r.stats[path]; ok {
		return s.info, s.err
	}
	info, err := os.Stat(path)
	r.stats[path] = stat{info, err}
	return info, err
}

var (
	errNotFile   = errors.New("not a regular file")
	errNotFolder = errors.New("not a folder")
)

// regular reports anything but a regular file that is not empty.
func (r *reader) regular(n *yaml.Node, path, file, shown string) (os.FileInfo, bool) {
	info, err := r.stat(file)
	switch {
	case err != nil:
		r.at(n, Error, CodeFile, path, shown+": "+reason(err), "")
	case !info.Mode().IsRegular():
		r.at(n, Error, CodeFile, path, shown+" is "+errNotFile.Error(), "")
	case info.Size() == 0:
		r.at(n, Error, CodeFile, path, shown+" is empty", "")
	default:
		return info, true
	}
	return nil, false
}

// reason is why a file cannot be had, without repeating its path.
func reason(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "does not exist"
	case errors.Is(err, syscall.ENOTDIR):
		return "lies below something that is not a folder"
	case errors.Is(err, os.ErrPermission):
		return "may not be looked at by this user"
	}
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// file reads the path of a file that must exist.
func (s *section) file(key string) string {
	s.note(Field{Key: key, Kind: KindPath})
	n := s.take(key)
	if n == nil {
		return ""
	}
	v, ok := s.r.readFile(n, s.sub(key))
	if !ok {
		return ""
	}
	return v
}

func (r *reader) readFile(n *yaml.Node, path string) (string, bool) {
	v, ok := r.readPath(n, path)
	if ok {
		_, ok = r.regular(n, path, v, clip(n.Value))
	}
	return v, ok
}

// readFileOrFolder reads the path of a file or folder that must exist.
func (r *reader) readFileOrFolder(n *yaml.Node, path string) (string, bool) {
	v, ok := r.readPath(n, path)
	if !ok {
		return "", false
	}
	if info, err := r.stat(v); err == nil && info.IsDir() {
		return v, true
	}
	_, ok = r.regular(n, path, v, clip(n.Value))
	return v, ok
}

// day reads a date as its first instant in loc; zero when it is not given.
func (s *section) day(key string, loc *time.Location) time.Time {
	s.note(Field{Key: key, Kind: KindDay})
	n := s.take(key)
	if n == nil {
		return time.Time{}
	}
	v, ok := s.r.scalar(n, s.sub(key), "a date", "write it as 2026-12-31", "!!str", "!!timestamp")
	if !ok {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.DateOnly, v, loc)
	if err != nil {
		s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("%q is not a date", clip(v)), "write it as 2026-12-31")
	}
	return t
}

// hostPort reads "host:port".
func (s *section) hostPort(key string) string {
	s.note(Field{Key: key, Kind: KindHostPort})
	v := s.need(key, "write host:port")
	if v == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("%q is not host:port", clip(v)), "write host:22, or [IPv6 address]:22")
		return ""
	}
	if p, err := strconv.Atoi(port); err != nil || p < 0 || p > 65535 {
		s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("%q is not a port", clip(port)), "possible: 1 to 65535")
		return ""
	}
	if strings.ContainsAny(host, " /@") {
		s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("%q is not a host", clip(host)), "write host:port; the user has a key of its own")
		return ""
	}
	return v
}
