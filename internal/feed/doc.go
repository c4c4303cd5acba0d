// Package feed fetches what each publisher of advisories publishes and writes it in
// the words of package advisory: one file for each format, one [Feed] for each
// publisher and, where a publisher's archives are per ecosystem, for each archive.
//
// # Words
//
//   - An [Origin] is where publishers' files are read from: the publishers themselves,
//     or a mirror laid out by server name (HOST/PATH), by HTTP or in a folder.
//   - What is fetched may be kept in a folder, which is a mirror itself: the keep folder
//     ([Origin.Keep]).
//   - A [Sink] takes what a feed says. A record that cannot be read goes into
//     quarantine, a record that is left out on purpose is skipped; both are counted and
//     neither stops the feed.
//   - A [Result] is what came of one feed in one run.
//
// # Promises
//
//   - A feed speaks only for its own ecosystems, whatever its records claim.
//   - The same files give the same records in the same order, however many processors
//     work on them.
//   - What publishers and mirrors send is held within bounds: sizes of bodies, of
//     archive entries and of records, number of entries, redirects, tries and time. No
//     credentials are sent anywhere, and no file outside a mirror's folder is read.
//   - A server is asked for two files at once at most, is left alone for as long as it
//     asks, and, where files are kept, is asked only for what has changed. What a feed
//     keeps is always what it was read from to its end: a feed that breaks off leaves
//     the kept files as they were.
//   - Ranges are kept as their publisher states them; none is invented. Where a format
//     leaves a choice the file of that format says which was made.
//
// Which record wins for a package is decided in match, and what is kept on disk in
// advisorydb.
package feed
