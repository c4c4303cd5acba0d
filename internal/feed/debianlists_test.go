package feed

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const debianList = `[12 Feb 2025] DSA-5001-1 widget - security update
	{CVE-2025-2000 CVE-2025-1000 }
	[bookworm] - widget 1:2.3-1~deb12u1
	[bullseye] - widget <not-affected> (Vulnerable code not present)
	NOTE: fixed elsewhere
[August 3rd, 2009] DSA-1500-1 gadget - several vulnerabilities
        {CVE-2009-1000}
	[lenny] - gadget  1.0-1 (bug #1; medium)
	[etch] - gadget 0.9-1
	[lenny] - gizmo <end-of-life>
[11 Feb 2025] DSA-5000-2 widget - regression update
	[bookworm] - widget 1:2.3-1~deb12u2
[10 Feb 2025] DSA-4999-1 keyring - security update
	[bookworm] - keyring 2
[09 Feb 2025] DSA-4998-1 old - security update
	{CVE-2025-3000}
	[woody] - old 1
[08 Feb 2025] DSA-4997-1 jessie end-of-life
	NOTE: end of support
[07 Feb 2025] DSA-4996-1 bad - security update
	{CVE-2025-4000}
	[zebra] - bad 1
	[bookworm] - bad
	[trixie] - fine 3-1
`

func TestDebianList(t *testing.T) {
	var log sinkLog
	if err := readDebianList(t.Context(), strings.NewReader(debianList), "DSA", log.sink()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range log.advisories {
		got = append(got, brief(osvParsed{adv: &log.advisories[i]}))
	}
	want := []string{
		"DSA-5001-1 fixes CVE-2025-1000,CVE-2025-2000 | Debian:12 widget [0 1:2.3-1~deb12u1) | Debian:11 widget not_affected",
		"DSA-1500-1 fixes CVE-2009-1000 | Debian:5 gadget [0 1.0-1) | Debian:5 gizmo end_of_life",
		"DSA-4999-1 | Debian:12 keyring [0 2)",
		"DSA-4996-1 fixes CVE-2025-4000 | Debian:13 fine [0 3-1)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !slices.Equal(log.quarantined, []string{"DSA-4996-1"}) ||
		!slices.Equal(log.skipped, []string{"DSA-5000-2: names no flaw", "DSA-4998-1: a release from before 2009", "DSA-4997-1: affects nothing"}) {
		t.Errorf("quarantined %q, skipped %q", log.quarantined, log.skipped)
	}
	if d := log.advisories[0].Published; !d.Equal(time.Date(2025, 2, 12, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v", d)
	}
	if d := log.advisories[1].Published; !d.Equal(time.Date(2009, 8, 3, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v", d)
	}
	for _, doc := range []string{
		"", "<!DOCTYPE html>\n<html>\n", "\t[bookworm] - widget 1\n", "[12 Feb 2025] DLA-1-1 widget - security update\n",
		"[12 Feb 2025] DSA-1-1 widget\n\t{" + strings.Repeat("x", maxListLine) + "}\n",
	} {
		if err := readDebianList(t.Context(), strings.NewReader(doc), "DSA", log.sink()); err == nil {
			t.Errorf("%.60q was taken", doc)
		}
	}
}

func TestDebianListsFeed(t *testing.T) {
	const at = "salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/"
	f := feedNamed(t, "debian-advisories")
	files := map[string]string{at + "DSA/list": debianList, at + "DLA/list": strings.ReplaceAll(debianList, "DSA-", "DLA-")}
	if r := run(t.Context(), folder(t, files), f, Sink{}); r.Err != nil || r.Records != 8 {
		t.Errorf("%+v", r)
	}
	delete(files, at+"DLA/list")
	if r := run(t.Context(), folder(t, files), f, Sink{}); r.Err == nil || r.Missing {
		t.Errorf("without DLA: %+v", r)
	}
	if r := run(t.Context(), folder(t, nil), f, Sink{}); r.Err != nil || !r.Missing {
		t.Errorf("without lists: %+v", r)
	}
}

// TestDebianListsCorpus checks facts of the corpus by hand.
func TestDebianListsCorpus(t *testing.T) {
	got := said(t, "debian-advisories", "DSA-5864-1", "DLA-4050-1", "DSA-2896-1", "DTSA-1-1")
	want := map[string]string{
		"DSA-5864-1": "DSA-5864-1 fixes CVE-2025-24032,CVE-2025-24531 | Debian:12 pam-pkcs11 [0 0.6.12-1+deb12u1)",
		"DLA-4050-1": "DLA-4050-1 fixes CVE-2024-11187 | Debian:11 bind9 [0 1:9.16.50-1~deb11u3)",
		"DSA-2896-1": "DSA-2896-1 fixes CVE-2014-0160 | Debian:7 openssl [0 1.0.1e-2+deb7u5)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// said reads a feed of the corpus and gives what it says under the IDs.
func said(t *testing.T, feed string, ids ...string) map[string]string {
	t.Helper()
	var log sinkLog
	if r := run(t.Context(), corpus(t), feedNamed(t, feed), log.sink()); r.Err != nil || r.Missing {
		t.Fatalf("%+v", r)
	}
	got := map[string]string{}
	for i := range log.advisories {
		if id := log.advisories[i].ID; slices.Contains(ids, id) {
			line := brief(osvParsed{adv: &log.advisories[i]})
			if got[id] != "" { // one flaw in several packages
				line = got[id] + " ; " + line
			}
			got[id] = line
		}
	}
	return got
}

func FuzzDebianList(f *testing.F) {
	f.Add([]byte(debianList))
	f.Fuzz(func(t *testing.T, data []byte) {
		var log sinkLog
		_ = readDebianList(t.Context(), bytes.NewReader(data), "DSA", log.sink())
		for i := range log.advisories {
			checkParsed(t, osvParsed{adv: &log.advisories[i]})
		}
	})
}
