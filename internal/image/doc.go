// Package image holds the words for container images: references, digests,
// platforms, configs, layers, and the readers of images kept in local files and
// folders.
//
// An [Image] is a description that never changes, fixed by its digests; a
// [Layer] holds one function that opens its bytes, verified. Terms are those of
// the OCI image specification 1.1: index, manifest, config, layer, diffID, digest.
//
// The room does no network I/O (see registry), looks at no file inside a layer
// (see rootfs) and keeps no state.
package image
