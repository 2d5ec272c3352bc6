// Package rsaalg reads and writes the AlgorithmIdentifiers that messages and
// certificates share: RSASSA-PSS and RSAES-OAEP with their parameters
// (RFC 4055), the SHA-2 hashes (RFC 5754) and PKCS#1 v1.5 signatures.
//
// An AlgorithmIdentifier is given and taken as one whole DER element:
//
//	SEQUENCE
//	├─ OBJECT IDENTIFIER  id-RSASSA-PSS
//	└─ SEQUENCE           RSASSA-PSS-params
//	   ├─ [0] hash        SEQUENCE { sha256, NULL }
//	   ├─ [1] mask        SEQUENCE { mgf1, SEQUENCE { sha256, NULL } }
//	   └─ [2] saltLength  INTEGER 32
//
// Fields that stand at their default are left out when writing, as DER asks
// (X.690 11.5): the trailer field 1 of PSS and the empty label of OAEP. Both
// forms are understood when reading. A combination that no standard library
// call can check, such as a mask hash other than the message hash, is
// ErrUnsupported and not a guess.
package rsaalg
