package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Config is what the image config blob says (OCI image spec, config.md), reduced to
// what is judged or shown. Unknown fields are ignored.
type Config struct {
	Created      string
	Author       string
	Platform     Platform
	User         string
	Env          []string
	Entrypoint   []string
	Cmd          []string
	WorkingDir   string
	Labels       map[string]string
	ExposedPorts []string
	Volumes      []string
	StopSignal   string
	OnBuild      []string
	Shell        []string
	HasHealth    bool
	History      []History
	DiffIDs      []Digest
}

// History is one step of the build as the builder recorded it.
type History struct {
	Created   string `json:"created,omitempty"`
	CreatedBy string `json:"created_by,omitempty"`
	Comment   string `json:"comment,omitempty"`
	Empty     bool   `json:"empty_layer,omitempty"`
}

type rawConfig struct {
	Created      string `json:"created"`
	Author       string `json:"author"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
	OSVersion    string `json:"os.version"`
	Config       *struct {
		User         string              `json:"User"`
		Env          []string            `json:"Env"`
		Entrypoint   stringList          `json:"Entrypoint"`
		Cmd          stringList          `json:"Cmd"`
		WorkingDir   string              `json:"WorkingDir"`
		Labels       map[string]string   `json:"Labels"`
		ExposedPorts map[string]struct{} `json:"ExposedPorts"`
		Volumes      map[string]struct{} `json:"Volumes"`
		StopSignal   string              `json:"StopSignal"`
		OnBuild      []string            `json:"OnBuild"`
		Shell        []string            `json:"Shell"`
		Healthcheck  *struct {
			Test []string `json:"Test"`
		} `json:"Healthcheck"`
	} `json:"config"`
	RootFS *struct {
		Type    string   `json:"type"`
		DiffIDs []Digest `json:"diff_ids"`
	} `json:"rootfs"`
	History []History `json:"history"`
}

// stringList also takes the single string that very old builders wrote.
type stringList []string

func (s *stringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		if one != "" {
			*s = []string{one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// ParseConfig reads a config blob. One without a rootfs is no image config (an OCI
// artefact's, say) and gives an error wrapping ErrNotImage; broken JSON, a malformed
// diffID or more than MaxDocument bytes one wrapping ErrCorrupt.
func ParseConfig(b []byte) (Config, error) {
	if len(b) > MaxDocument {
		return Config{}, fmt.Errorf("image config has %d bytes, at most %d are read: %w", len(b), MaxDocument, ErrCorrupt)
	}
	var r rawConfig
	if err := json.Unmarshal(b, &r); err != nil {
		return Config{}, fmt.Errorf("image config: %v: %w", err, ErrCorrupt)
	}
	if r.RootFS == nil {
		return Config{}, fmt.Errorf("image config has no rootfs: %w", ErrNotImage)
	}
	c := Config{
		Created:  r.Created,
		Author:   r.Author,
		Platform: Platform{OS: r.OS, Arch: r.Architecture, Variant: r.Variant, OSVersion: r.OSVersion}.normal(),
		History:  r.History,
	}
	if r.Config != nil {
		k := r.Config
		c.User, c.Env, c.Entrypoint, c.Cmd = k.User, k.Env, k.Entrypoint, k.Cmd
		c.WorkingDir, c.Labels, c.StopSignal = k.WorkingDir, k.Labels, k.StopSignal
		c.OnBuild, c.Shell = k.OnBuild, k.Shell
		c.ExposedPorts, c.Volumes = sortedKeys(k.ExposedPorts), sortedKeys(k.Volumes)
		c.HasHealth = k.Healthcheck != nil && len(k.Healthcheck.Test) > 0 && k.Healthcheck.Test[0] != "NONE"
	}
	for i, d := range r.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return Config{}, fmt.Errorf("image config: rootfs.diff_ids[%d]: %v: %w", i, err, ErrCorrupt)
		}
	}
	c.DiffIDs = r.RootFS.DiffIDs
	return c, nil
}

// CreatedTime parses Created; the zero time if it is absent or malformed.
func (c Config) CreatedTime() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, c.Created)
	return t
}

// LayerHistory gives for each of n layers the history entry that made it, or nil
// for all when the entries cannot be aligned: builders may leave history out, or
// squash layers, and a guess would blame the wrong instruction.
func (c Config) LayerHistory(n int) []*History {
	out := make([]*History, n)
	var full []*History
	for i := range c.History {
		if !c.History[i].Empty {
			full = append(full, &c.History[i])
		}
	}
	if len(full) == n {
		copy(out, full)
	}
	return out
}

func sortedKeys(m map[string]struct{}) []string {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}
