package advisory

import (
	"regexp"
	"testing"
)

func TestNVDProducts(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9_-]+:[a-z0-9_./-]+$`)
	of := map[string]string{}
	for runtime, all := range nvdProducts {
		if len(all) == 0 {
			t.Errorf("%s has no product", runtime)
		}
		for _, product := range NVDProducts(runtime) {
			if !form.MatchString(product) || !IsNVDProduct(product) {
				t.Errorf("%q of %s is no VENDOR:PRODUCT", product, runtime)
			}
			if other, twice := of[product]; twice {
				t.Errorf("%s is of %s and %s", product, runtime, other)
			}
			of[product] = runtime
		}
	}
	if NVDProducts("thing") != nil || IsNVDProduct("acme:thing") || IsNVDProduct("") {
		t.Error("there are products of runtimes that are not known")
	}
}
