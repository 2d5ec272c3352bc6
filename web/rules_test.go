package web

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const monitoring = "../docs/monitoring"

// The shipped rules are right for Prometheus, fire when they should and not
// else, use metrics that are there, and have a page that says what to do.
func TestAlertRules(t *testing.T) {
	promtool := lookPeer(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "gateway-alerts.yml"}, {"test", "rules", "gateway-alerts_test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	rules, err := os.ReadFile(filepath.Join(monitoring, "gateway-alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]bool{}
	all := reflect.ValueOf(allFamilies())
	for i := range all.NumField() {
		ours["gateway_"+all.Field(i).FieldByName("name").String()] = true
	}
	for _, name := range regexp.MustCompile(`gateway_[a-z_]+`).FindAllString(string(rules), -1) {
		if !ours[name] {
			t.Errorf("a rule asks for %s, which is no metric of ours", name)
		}
	}
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(rules), -1)
	if len(alerts) == 0 {
		t.Fatal("no rules")
	}
	for _, a := range alerts {
		page, err := os.ReadFile(filepath.Join(monitoring, "runbooks", a[1]+".md"))
		if err != nil || !strings.Contains(string(page), "**Was zu tun ist.**") {
			t.Errorf("%s has no page that says what to do: %v", a[1], err)
		}
	}
	if pages, _ := filepath.Glob(filepath.Join(monitoring, "runbooks", "*.md")); len(pages) != len(alerts) {
		t.Errorf("%d pages for %d rules", len(pages), len(alerts))
	}
}
