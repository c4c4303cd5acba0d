package extract

// languages lists the extractors for language packages in a fixed order: first what
// is installed, then what lock files name. The slice is new with each call.
func languages() []Extractor {
	return []Extractor{
		nodePackage,
		pythonPackage,
		condaPackage,
		rubyGem,
		phpInstalled,
		dotnetDeps,
		rPackage,
		pathPackage,
		lockFile,
	}
}
