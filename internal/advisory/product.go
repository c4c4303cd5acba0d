package advisory

import "slices"

// EcosystemNVD is this program's word for what the National Vulnerability Database says
// of the versions of products, which are named VENDOR:PRODUCT as in their CPE names
// (NIST IR 7695): "f5:nginx".
const EcosystemNVD = "NVD"

// nvdProducts gives the products of each runtime that is recognised by what its files
// say about it. A product that changed hands has several.
var nvdProducts = map[string][]string{
	"apache":     {"apache:http_server"},
	"bash":       {"gnu:bash"},
	"busybox":    {"busybox:busybox"},
	"curl":       {"haxx:curl", "haxx:libcurl"},
	"erlang":     {"erlang:erlang/otp"},
	"git":        {"git-scm:git"},
	"haproxy":    {"haproxy:haproxy"},
	"java":       {"oracle:openjdk"},
	"libressl":   {"openbsd:libressl"},
	"lua":        {"lua:lua"},
	"mariadb":    {"mariadb:mariadb"},
	"memcached":  {"memcached:memcached"},
	"mysql":      {"oracle:mysql", "oracle:mysql_server", "mysql:mysql"},
	"nginx":      {"f5:nginx", "f5:nginx_open_source", "nginx:nginx", "igor_sysoev:nginx"},
	"node":       {"nodejs:node.js", "nodejs:nodejs"},
	"openresty":  {"openresty:openresty"},
	"openssl":    {"openssl:openssl"},
	"perl":       {"perl:perl"},
	"php":        {"php:php"},
	"postgresql": {"postgresql:postgresql"},
	"python":     {"python:python", "python_software_foundation:python"},
	"redis":      {"redis:redis", "redislabs:redis"},
	"ruby":       {"ruby-lang:ruby"},
	"sqlite":     {"sqlite:sqlite"},
	"valkey":     {"lfprojects:valkey", "linuxfoundation:valkey"},
	"zlib":       {"zlib:zlib", "gnu:zlib"},
}

// NVDProducts lists the products of a runtime in [EcosystemNVD]; none if it has none
// there. The list must not be changed.
func NVDProducts(runtime string) []string { return nvdProducts[runtime] }

// IsNVDProduct tells whether a product is one of a runtime's.
func IsNVDProduct(product string) bool {
	for _, all := range nvdProducts {
		if slices.Contains(all, product) {
			return true
		}
	}
	return false
}
