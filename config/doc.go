// Package config reads the YAML.
package config
