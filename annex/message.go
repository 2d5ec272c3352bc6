package annex

// FromHospital reports whether a message type is one that only a hospital sends
// (13. Fortschreibung). From an insurer it is a message that came back.
func FromHospital(messageType string) bool {
	switch messageType {
	case "AUFN", "VERL", "MBEG", "RECH", "ENTL", "AMBO", "ZGUT", "INKA":
		return true
	}
	return false
}
