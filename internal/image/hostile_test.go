package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// dockerFiles gives an older docker archive with these layers, whose files the caller
// adds: manifest.json names LAYER1/layer.tar and so on.
func dockerFiles(t *testing.T, layers ...string) []imagetest.Entry {
	t.Helper()
	var ids, names []string
	for i, l := range layers {
		ids = append(ids, `"`+string(image.Sum([]byte(l)))+`"`)
		names = append(names, fmt.Sprintf(`"%d/layer.tar"`, i+1))
	}
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[` + strings.Join(ids, ",") + `]}}`
	return []imagetest.Entry{
		{Path: "config.json", Body: config},
		{Path: "manifest.json", Body: `[{"Config":"config.json","RepoTags":["x:1"],"Layers":[` + strings.Join(names, ",") + `]}]`},
	}
}

// What an attacker may put into an archive, read as a file, packed, and as a stream:
// opening fails with want, or opens and then reading layer 1 fails with layer.
func TestHostileArchives(t *testing.T) {
	plain := string(imagetest.Tar(t, imagetest.Entry{Path: "hello", Body: "world"}))
	a, b := twoImages(t)
	file := func(name, body string) imagetest.Entry { return imagetest.Entry{Path: name, Body: body} }
	docker := func(more ...imagetest.Entry) []byte {
		return imagetest.Tar(t, append(dockerFiles(t, plain), more...)...)
	}
	with := func(name, body string) []byte { // an OCI archive in which a file is replaced
		files := imagetest.OCIFiles(t, a)
		for i := range files {
			if files[i].Path == name {
				files[i].Body = body
				return imagetest.Tar(t, files...)
			}
		}
		t.Fatalf("no %s in the archive", name)
		return nil
	}
	without := func(name string) []byte {
		var files []imagetest.Entry
		for _, e := range imagetest.OCIFiles(t, a) {
			if e.Path != name {
				files = append(files, e)
			}
		}
		return imagetest.Tar(t, files...)
	}
	blob := func(d image.Digest) string { return "blobs/sha256/" + d.Hex() }
	oneByte := func(d image.Digest) string {
		c := bytes.Clone(a.Blobs[d])
		c[len(c)-9] ^= 1
		return string(c)
	}
	layerID := a.Image.Layers[0].Digest
	good := docker(file("1/layer.tar", plain))
	for _, tc := range []struct {
		name    string
		archive []byte
		want    error  // of opening
		layer   error  // of reading layer 1
		says    string // by either
	}{
		{name: "right", archive: good},
		{name: "empty file", archive: []byte{}, want: image.ErrNotImage, says: "empty"},
		{name: "text", archive: []byte("FROM scratch\n"), want: image.ErrNotImage, says: "not a tar"},
		{name: "zeros", archive: make([]byte, 10240), want: image.ErrNotImage, says: "empty"},
		{name: "gzip of text", archive: imagetest.Compress(t, []byte("hello"), imagetest.Gzip), want: image.ErrCorrupt},
		{name: "gzip header alone", archive: []byte{0x1f, 0x8b}, want: image.ErrCorrupt},
		{name: "zstd header alone", archive: []byte{0x28, 0xb5, 0x2f, 0xfd}, want: image.ErrCorrupt},
		{name: "root file system", archive: imagetest.Tar(t, file("etc/os-release", "ID=x"), file("usr/bin/x", "")), want: image.ErrNotImage, says: "rootfs:"},
		{name: "other files", archive: imagetest.Tar(t, file("README", "x")), want: image.ErrNotImage, says: "neither manifest.json"},
		{name: "legacy", archive: imagetest.Tar(t, file("repositories", "{}"), file("1/layer.tar", plain)), want: image.ErrUnsupported, says: "1.10"},
		{name: "web manifest", archive: imagetest.Tar(t, file("manifest.json", `{"name":"app"}`)), want: image.ErrNotImage},
		{name: "manifest.json broken", archive: imagetest.Tar(t, file("manifest.json", `[{`)), want: image.ErrCorrupt},
		{name: "manifest.json empty", archive: imagetest.Tar(t, file("manifest.json", `[]`)), want: image.ErrNotImage},
		{name: "manifest.json deep", archive: imagetest.Tar(t, file("manifest.json", strings.Repeat("[", 1<<20))), want: image.ErrCorrupt},
		{name: "manifest.json huge", archive: imagetest.Tar(t, file("manifest.json", "["+strings.Repeat(" ", image.MaxDocument)+"]")), want: image.ErrCorrupt},
		{name: "no config named", archive: imagetest.Tar(t, file("manifest.json", `[{"Layers":[]}]`)), want: image.ErrCorrupt},
		{name: "config missing", archive: imagetest.Tar(t, file("manifest.json", `[{"Config":"c.json","Layers":[]}]`)), want: image.ErrCorrupt, says: "not in the archive"},
		{name: "config outside", archive: imagetest.Tar(t, file("manifest.json", `[{"Config":"../../../../etc/passwd","Layers":[]}]`)), want: image.ErrCorrupt, says: "not in the archive"},
		{name: "config of another digest", archive: imagetest.Tar(t, file("manifest.json", `[{"Config":"`+layerID.Hex()+`.json"}]`), file(layerID.Hex()+".json", `{"rootfs":{}}`)), want: image.ErrDigestMismatch},
		{name: "config without rootfs", archive: imagetest.Tar(t, file("manifest.json", `[{"Config":"c.json"}]`), file("c.json", `{"os":"linux"}`)), want: image.ErrNotImage},
		{name: "fewer diffIDs", archive: imagetest.Tar(t, file("manifest.json", `[{"Config":"c.json","Layers":["1/layer.tar"]}]`), file("c.json", `{"rootfs":{}}`), file("1/layer.tar", plain)), want: image.ErrCorrupt, says: "lists 0 layers"},
		{name: "layer missing", archive: docker(), layer: image.ErrNotFound, says: "not in the archive"},
		{name: "layer of other content", archive: docker(file("1/layer.tar", string(imagetest.Tar(t, file("x", "y"))))), layer: image.ErrDigestMismatch},
		{name: "layer of zero bytes", archive: docker(file("1/layer.tar", "")), layer: image.ErrDigestMismatch},
		{name: "layer twice, last wins", archive: docker(file("1/layer.tar", "bad"), file("1/layer.tar", plain))},
		{name: "layer twice, last is bad", archive: docker(file("1/layer.tar", plain), file("1/layer.tar", "bad")), layer: image.ErrDigestMismatch},
		{name: "names with dots", archive: docker(file("./1/../1//layer.tar", plain))},
		{name: "absolute name", archive: docker(file("/1/layer.tar", plain))},
		{name: "name from outside", archive: docker(file("../../1/layer.tar", plain))}, // it stays within
		{name: "symlink", archive: docker(file("2/layer.tar", plain), imagetest.Entry{Path: "1/layer.tar", Link: "../2/layer.tar"})},
		{name: "symlink before its target", archive: docker(imagetest.Entry{Path: "1/layer.tar", Link: "../2/layer.tar"}, file("2/layer.tar", plain))},
		{name: "hard link", archive: docker(file("2/layer.tar", plain), imagetest.Entry{Path: "1/layer.tar", Kind: tar.TypeLink, Link: "2/layer.tar"})},
		{name: "symlink outside", archive: docker(imagetest.Entry{Path: "1/layer.tar", Link: "../../../../../../etc/passwd"}), layer: image.ErrNotFound},
		{name: "absolute symlink", archive: docker(imagetest.Entry{Path: "1/layer.tar", Link: "/etc/passwd"}), layer: image.ErrNotFound},
		{name: "symlink to itself", archive: docker(imagetest.Entry{Path: "1/layer.tar", Link: "layer.tar"}), layer: image.ErrCorrupt, says: "leads to no file"},
		{name: "symlinks in a ring", archive: docker(imagetest.Entry{Path: "1/layer.tar", Link: "../2/layer.tar"}, imagetest.Entry{Path: "2/layer.tar", Link: "../1/layer.tar"}), layer: image.ErrCorrupt},
		{name: "a device", archive: docker(imagetest.Entry{Path: "1/layer.tar", Kind: tar.TypeFifo}), layer: image.ErrNotFound},
		{name: "a folder", archive: docker(imagetest.Entry{Path: "1/layer.tar/"}), layer: image.ErrNotFound},
		{name: "PAX long name", archive: docker(file(strings.Repeat("long/", 300), ""), file("1/layer.tar", plain))},
		{name: "overlong name", archive: docker(file(strings.Repeat("x", 100_000), ""), file("1/layer.tar", plain))},
		{name: "GNU sparse", archive: docker(imagetest.Entry{Path: "1/layer.tar", Raw: gnuSparse("1/layer.tar")}), layer: image.ErrUnsupported, says: "sparse"},
		{name: "size beyond the end", archive: docker(imagetest.Entry{Path: "1/layer.tar", Body: plain, Header: func(h *tar.Header) { h.Size = 1 << 40 }}), want: image.ErrCorrupt, says: "cut off"},
		{name: "size beyond everything", archive: docker(imagetest.Entry{Path: "1/layer.tar", Body: plain, Header: func(h *tar.Header) { h.Size = 1<<63 - 1 }}), want: image.ErrCorrupt},
		{name: "size of a document beyond the end", archive: imagetest.Tar(t, imagetest.Entry{Path: "manifest.json", Body: "[", Header: func(h *tar.Header) { h.Size = 7 << 20 }}), want: image.ErrCorrupt, says: "cut off"},
		{name: "header damaged", archive: append(bytes.Clone(good[:512]), bytes.Repeat([]byte("x"), 4096)...), want: image.ErrCorrupt},
		{name: "cut off in a body", archive: good[:len(good)-2500], want: image.ErrCorrupt, says: "cut off"},
		{name: "cut off in a header", archive: good[:len(good)-1024-512*4-100], want: image.ErrCorrupt, says: "cut off"},
		{name: "no end mark", archive: good[:len(good)-1024]},

		{name: "OCI: index.json broken", archive: with("index.json", `{`), want: image.ErrCorrupt},
		{name: "OCI: index.json empty", archive: with("index.json", `{"manifests":[]}`), want: image.ErrNotImage},
		{name: "OCI: index.json without a list", archive: with("index.json", `{}`), want: image.ErrCorrupt},
		{name: "OCI: digest with a path", archive: with("index.json", `{"manifests":[{"digest":"sha256:../../../etc/passwd","size":1}]}`), want: image.ErrCorrupt},
		{name: "OCI: manifest of another size", archive: with("index.json", fmt.Sprintf(`{"manifests":[{"digest":"%s","size":%d}]}`, a.Desc.Digest, a.Desc.Size+1)), want: image.ErrDigestMismatch},
		{name: "OCI: manifest forged", archive: with(blob(a.Desc.Digest), oneByte(a.Desc.Digest)), want: image.ErrDigestMismatch},
		{name: "OCI: config forged", archive: with(blob(a.Image.ID), oneByte(a.Image.ID)), want: image.ErrDigestMismatch},
		{name: "OCI: layer forged", archive: with(blob(layerID), oneByte(layerID)), layer: image.ErrDigestMismatch},
		{name: "OCI: layer cut short", archive: with(blob(layerID), string(a.Blobs[layerID][:40])), layer: image.ErrDigestMismatch},
		{name: "OCI: layer longer", archive: with(blob(layerID), string(a.Blobs[layerID])+"x"), layer: image.ErrDigestMismatch},
		{name: "OCI: layer missing", archive: without(blob(layerID)), layer: image.ErrNotFound},
		{name: "OCI: manifest missing", archive: without(blob(a.Desc.Digest)), want: image.ErrNotFound},
		{name: "OCI: config missing", archive: without(blob(a.Image.ID)), want: image.ErrCorrupt},
		{name: "OCI: version 2", archive: with("oci-layout", `{"imageLayoutVersion":"2.0.0"}`), want: image.ErrUnsupported},
		{name: "OCI: version broken", archive: with("oci-layout", `1`), want: image.ErrCorrupt},
		{name: "OCI: without oci-layout", archive: without("oci-layout")},
		{name: "OCI: config huge", archive: imagetest.OCIArchive(t, imagetest.Build(t, imagetest.Spec{EditConfig: func(m map[string]any) { m["author"] = strings.Repeat("x", image.MaxDocument) }})), want: image.ErrCorrupt},
		{name: "OCI: attestation beside an image that is not there", archive: imagetest.OCIArchive(t, imagetest.Attestation(t, b)), want: image.ErrNotImage, says: "attestation"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for form, archive := range map[string][]byte{"plain": tc.archive, "gzip": imagetest.Compress(t, tc.archive, imagetest.Gzip)} {
				set, err := image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", archive), none)
				if form == "gzip" && len(tc.archive) < 512 {
					continue // gzip of what is no tar says so in other words
				}
				judge(t, form+" file", set, err, tc.want, tc.layer, tc.says)

				bodies := map[string]image.Digest{}
				set, err = image.ReadStream(t.Context(), onlyReader{bytes.NewReader(archive)}, none, func(name string, size int64, body io.Reader) error {
					h := image.Digest("").Hash()
					_, err := io.Copy(h, body)
					bodies[name] = image.FromHash(h)
					if errors.Is(err, image.ErrDigestMismatch) {
						bodies[name], err = "", nil
					}
					return err
				})
				if err != nil || tc.want != nil {
					judge(t, form+" stream", set, err, tc.want, nil, tc.says)
					continue
				}
				// What is wrong with a layer shows in that its body was not visited, did not
				// verify, or does not have the digest.
				if len(set.Images[0].Layers) == 0 {
					continue
				}
				l := set.Images[0].Layers[0]
				if right := bodies[l.Local] == l.Digest; right != (tc.layer == nil) {
					t.Errorf("%s stream: layer is visited with the right content: %v; want %v", form, right, tc.layer == nil)
				}
			}
		})
	}
}

func judge(t *testing.T, how string, set *image.Set, err, want, layer error, says string) {
	t.Helper()
	if want != nil || err != nil {
		if !errors.Is(err, want) || want == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: opening gives %v; want %v saying %q", how, err, want, says)
		}
		return
	}
	if len(set.Images) == 0 {
		t.Errorf("%s: no image", how)
		return
	}
	if len(set.Images[0].Layers) == 0 {
		return
	}
	_, err = readLayer(set.Images[0].Layers[0])
	if !errors.Is(err, layer) || layer == nil && err != nil || layer != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("%s: the layer gives %v; want %v saying %q", how, err, layer, says)
	}
}

// gnuSparse is a header of the old GNU format for a file of 1 GiB that is one hole.
func gnuSparse(name string) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x00")
	copy(h[108:], "0000000\x00")
	copy(h[116:], "0000000\x00")
	copy(h[124:], "00000000000\x00")
	copy(h[136:], "00000000000\x00")
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	copy(h[386:], "10000000000\x0000000000000\x00") // one part, at the end, empty
	copy(h[483:], "10000000000\x00")
	sum := 0
	for i, c := range h {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// A great many entries end the reading before they fill the memory.
func TestManyEntries(t *testing.T) {
	one := imagetest.Tar(t, imagetest.Entry{Path: "x"})[:512]
	archive := bytes.Repeat(one, 140_000)
	_, err := image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", archive), none)
	if !errors.Is(err, image.ErrNotImage) || !strings.Contains(err.Error(), "entries") {
		t.Errorf("%v", err)
	}
	_, err = image.ReadStream(t.Context(), bytes.NewReader(imagetest.Compress(t, archive, imagetest.Zstd)), none, nil)
	if !errors.Is(err, image.ErrNotImage) || !strings.Contains(err.Error(), "entries") {
		t.Errorf("%v", err)
	}
}
