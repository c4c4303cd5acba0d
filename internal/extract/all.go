package extract

// All lists every extractor, in a fixed order. The slice is new with each call.
func All() []Extractor {
	return append([]Extractor{
		// distributions
		osRelease, osReleaseFallback, redHatContent,
		dpkgStatus, dpkgUpdates, dpkgFiles, chiselManifest,
		apkInstalled,
		rpmDatabase, rpmJournal, rpmManifest,
		pacmanDesc, pacmanFiles, portageContents,
		// programs and archives
		binaryExtractor, runtimeRelease, javaArchive,
	}, languages()...)
}
