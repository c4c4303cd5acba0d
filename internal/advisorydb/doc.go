// Package advisorydb builds, opens and looks up the advisory snapshot: everything
// that is known against packages, in a folder of immutable files made to be read
// by memory map.
//
// # Words
//
//   - A snapshot is a folder with manifest.json and shards/. Its digest is the
//     SHA-256 of the manifest's bytes, which have one canonical form.
//   - A shard is one file, shards/sha256-<hex>, named by the digest of its content
//     and never changed. There is one per ecosystem and release ("Debian:12",
//     "npm"), and some that all ecosystems share: flaws (severity, CVSS, SSVC, known
//     exploitation), epss, text, lifecycle (until when releases are supported)
//     repositories (which products they belong to) and vex (what VEX hubs say);
//     flaws and text are parted by publisher and year.
//     What changes on different days lies in different shards, and text lies apart
//     from what matching needs.
//   - A record is one [advisory.Advisory]; a statement is one of its Affected entries.
//
// # The file
//
// All numbers are little-endian or unsigned varints; offsets count from the start of the body.
//
//	header   magic, format, kind, file size, ten sections (offset, length),
//	         CRC of the page sums, CRC of the header          (112 bytes)
//	sums     CRC-32C of each 4 KiB of the body
//	body     meta       ecosystem, packages, records, symbols
//	         strings    sorted, front-coded, in symbols, 8 to a group
//	         shapes     of identifiers: "CVE-2024-" and a number
//	         origins    of records: source, severity, frame of the URL, what is there;
//	                    of flaws: ratings
//	         contexts   of statements: state, severity, arch, module, stream;
//	                    of flaws: severity, its source, what is there
//	         records    16 to a group, ordered by the first package they are about
//	         table      keys (package names or flaw IDs), sorted, front-coded, in
//	                    symbols, in blocks of about 1 KiB with an index of separators
//	         bloom      which keys are not here, so that a miss reads no block
//	         hashes     of all that is said of each package, so that two shards are
//	                    compared without reading what did not change
//	         ranks      of versions in the order of the ecosystem, so that numbers are
//	                    compared in their place
//
// A package's statements follow its name in the table, ordered by source and ID; each
// names its record by the distance from the one before and its versions by the
// distance in the strings. Packages of which the same is said share one body. What is
// read together lies together: looking up a package touches a block of the table and a
// few pages of records and strings. Nothing is compressed as a whole; what repeats
// is written short in its place, so that it is read without unpacking anything else.
//
// # Promises
//
//   - The same records, enrichments and sources, added in any order, give the same bytes.
//   - Opening reads the manifest alone. A shard is mapped when it is first asked, and its
//     size and header are checked then. Each 4 KiB is checked against its sum when it is
//     first read, so that damage ends in an error naming the file and never in an
//     absence of advisories. Digests are checked by [DB.Verify] only: sums guard against
//     accidents, not against somebody who may write to the folder.
//   - Any bytes at all may be in a shard: reading ends in an error, not in a panic, and
//     allocates in proportion to the file.
//   - Readers need no lock. Writing a new snapshot into the folder leaves the shards of the
//     old one in place, so that whoever has it open goes on reading it.
//
// In the shard of VEX statements the keys are those of products; origins are flaws
// with all their names and lists of components, and contexts who says what and why.
// Under a key stand entries: a context, a time, the products and their parts, and the flaws.
//
// What is not here: fetching and parsing (feed), deciding which statement wins for a
// package (match).
package advisorydb
