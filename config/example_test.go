package config_test

import (
	"fmt"

	"gateway301/config"
)

func ExampleParse() {
	_, problems, err := config.Parse("gateway.yaml", []byte(`
identities:
  - ik: 260500006
routes:
  - {recipients: [109910000], mod: production, partner: kasse}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	// Output:
	// gateway.yaml:2:1: neither outboxes nor partners, so there is nothing to do
	// gateway.yaml:3:5: identities[0]: "key" is missing; write file:PATH, env:NAME or credential:NAME
	// gateway.yaml:3:5: identities[0]: "certificate" is missing; the file of the certificate that belongs to the key
	// gateway.yaml:3:9: identities[0].ik: IK "260500006" has a wrong check digit: the last digit would have to be 5
	// gateway.yaml:5:5: routes[0]: "mode" is missing; possible: production, test
	// gateway.yaml:5:31: routes[0]: unknown key "mod"; did you mean "mode"?
	// gateway.yaml:5:57: routes[0].partner: unknown partner "kasse"; add it to partners
}
