//go:build race

package rootfs_test

// raceDetector tells that pools drop at random what they hold, so that what is
// allocated says nothing.
const raceDetector = true
