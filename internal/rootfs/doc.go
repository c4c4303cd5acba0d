// Package rootfs reads the files of an image: each layer once, in one pass, within
// bounds, without unpacking anything to disk.
//
// A [Reader] verifies, decompresses and walks a layer and hands the bodies of
// wanted files to visitors while they stream by. What a layer changes is kept as
// [Changes]; a [View] stacks the changes of all layers and answers what an
// application in the finished image would see.
//
// Layers are written by attackers. Names are cleaned so that none leads out of
// the image, sizes and counts are held against [Limits], and a limit that is
// reached ends in a [Problem], never in silence.
//
// The room knows nothing of packages or ecosystems; see extract.
package rootfs
