// Package registry reads images from registries, by the distribution protocol, and
// from a Docker or Podman daemon; and it reads and writes artifacts that are no images.
//
// [Client.Images] resolves a name once to a digest and reads everything after that by
// digest: index, manifest, config, and each layer when it is opened. Nothing is used
// before it has been checked against its digest. A transfer that breaks is taken up
// where it stopped, and the check spans the whole. [Daemon] gives the archive that
// the daemon streams, for the archive reader of the image room.
//
// Two promises about secrets: no credential, token, userinfo or query of a URL is in
// any error of this room; and credentials go only to the registry they are meant for
// and the token server it names, never to another host it redirects to. A redirect
// may lead to a private address, since registries behind a firewall keep their blobs
// there, but never from encrypted to plain HTTP unless plain HTTP was asked for.
//
// [Client.Push] and [Client.Artifact] move artifacts: blobs first and the manifest last,
// so that a tag always leads to the whole of one.
//
// The room writes nothing to disk. It starts one kind of program: the credential
// helpers that the Docker config names.
package registry
