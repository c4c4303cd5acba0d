package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
)

// blob is content that an image names by its digest.
type blob struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
	// Annotations name an image in the index.
	Annotations map[string]string `json:"annotations,omitempty"`
	body        []byte
}

func newBlob(mediaType string, body []byte) blob {
	return blob{MediaType: mediaType, Digest: digest(body), Size: len(body), body: body}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// buildImage writes an OCI layout in a tar file (OCI image specification,
// image-layout.md): each folder of image/ is a layer, the first the base.
func buildImage(name string) error {
	folders, err := fs.ReadDir(files, "image")
	if err != nil {
		return err
	}
	var layers []blob
	var diffIDs []string
	for _, f := range folders {
		if !f.IsDir() {
			continue // the recipe
		}
		plain, err := packLayer("image/" + f.Name())
		if err != nil {
			return err
		}
		packed, err := compress(plain)
		if err != nil {
			return err
		}
		diffIDs = append(diffIDs, digest(plain))
		layers = append(layers, newBlob("application/vnd.oci.image.layer.v1.tar+gzip", packed))
	}
	config := newBlob("application/vnd.oci.image.config.v1+json", document(map[string]any{
		"os": "linux", "architecture": "amd64",
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	}))
	manifest := newBlob("application/vnd.oci.image.manifest.v1+json", document(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
	}))
	manifest.Annotations = map[string]string{"org.opencontainers.image.ref.name": "example/shop:1.4"}

	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err = errors.Join(
		add(w, "index.json", document(map[string]any{"schemaVersion": 2, "manifests": []blob{manifest}})),
		add(w, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)))
	for _, b := range append(layers, config, manifest) {
		err = errors.Join(err, add(w, "blobs/sha256/"+strings.TrimPrefix(b.Digest, "sha256:"), b.body))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}

// packLayer makes a tar of all files in folder.
func packLayer(folder string) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := fs.WalkDir(files, folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		return add(w, strings.TrimPrefix(path, folder+"/"), body)
	})
	if err != nil {
		return nil, err
	}
	return out.Bytes(), w.Close()
}

func add(w *tar.Writer, name string, body []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

func compress(body []byte) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(body)
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}

func document(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings always encode
	}
	return b
}
