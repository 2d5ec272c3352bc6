// Package config turns the YAML that an admin writes into checked values: every
// default filled in, every path absolute, every name resolved. All mistakes come
// at once, each with file, line, column and what to do about it:
//
//	gateway.yaml:25:5: partners[0]: unknown key "windw"; did you mean "window"?
//	gateway.yaml:28:79: routes[0].partner: unknown partner "kase"; did you mean "kasse"?
//
//	file, problems, err := config.Load("gateway.yaml")
//	switch {
//	case err != nil: // the file cannot be read
//	case problems.Err() != nil: // it must not be used; file is nil
//	}
//
// Doubt means no: an unknown key, a key given twice, a route that no file can
// reach or a secret that others may read are errors. Warnings are for what may be
// meant so.
//
// # The dialect
//
// UTF-8, one document, no tags and no merge keys. Anchors and aliases may stand
// for whole values, up to 100,000 values more than are written. Every key:
//
//	ledger: ledger.db            # path; default ledger.db
//	spool: spool                 # folder; default spool
//	time-zone: Europe/Berlin     # of windows, dates and creation times; default Europe/Berlin
//	disk-floor: 256MiB           # size; intake stops below this free space of the spool; default 256MiB
//
//	identities:                  # our own IKs; required
//	  - ik: 260500005            # IK; required
//	    name: Klinikum Nord      # text for the operator; default none
//	    key: file:keys/nord.pem  # secret, the private key: PEM or PKCS#12 (NAME.p12, NAME.pfx); required
//	    key-password: env:NORD   # secret, the password of that key; default none
//	    certificate: keys/n.pem  # file, the certificate of that key: PEM, DER or .p7c; required unless the key is PKCS#12
//	    also:                    # more keys of this IK, the next one or old ones: answers to them still open; default none
//	      - key: file:keys/o.p12 # secret; required
//	        key-password: env:OLD  # secret; default none
//	        certificate: keys/o.pem  # file; required unless the key is PKCS#12
//	    own-copy: false          # true | false, what it sends opens with its own key, too; default false
//	    inbox: inbox/nord        # folder where what arrives for this IK is handed over; required if any partner has a get folder
//
//	trust:
//	  roots: [keys/chain.pem]    # files with the certificates of the trust centre; required if there are partners
//	  certificates: [keys/all]   # files or folders with the partners' certificates; required if any partner has a put folder
//	  crls: [keys/ca.crl]        # files, revocation lists of the trust centre; default none
//	  exceptions:                # for single holders of certificates; default none
//	    - ik: 109910000          # IK in the certificate, one row each; required
//	      certificate: keys/k.pem  # file, encrypt to this one whatever IK it names; default chosen by IK
//	      short-key: false       # true | false, RSA from 2048 bits; default false
//	      write: secon           # secon | legacy-pkcs1: algorithms that are written; default secon
//	      read: [pkcs1-signature]  # pkcs1-key-transport pkcs1-signature other-hashes, taken from this signer; default none
//	      reason: "reads no PSS" # text; required with short-key, write or read
//	      until: 2027-01-01      # first day on which these three no longer hold; required with short-key, write or read
//
//	outboxes:                    # where the hospital system lays down finished files
//	  - name: nord               # name; required
//	    path: outbox/nord        # folder; required
//	    owner: 260500005         # IK, ABSENDER_EIGNER, one of the identities; required
//	    physical: 260500005      # IK, ABSENDER_PHYSIKALISCH; default owner
//	    mode: production         # production | test; required
//	    marker: .ok              # suffix; FILE is complete when FILE.ok stands beside it; default none
//	    looks: 3                 # 1 to 1000; FILE is complete when unchanged over so many looks; default 3
//	    every: 2s                # duration, 10ms to 1h, between two looks at the whole folder; default 2s
//	    max-size: 4GiB           # size; a larger file goes to the quarantine; default 4GiB
//	    ignore: [.tmp, "~"]      # suffixes of unfinished files; default .tmp .part .filepart .swp ~
//	    quarantine: quarantine/n # folder; default quarantine/NAME beside the ledger
//
//	partners:                    # who we exchange files with directly
//	  - name: kasse              # name; required
//	    ik: 109910000            # IK of the partner itself; required
//	    sftp:                    # either this: the partner has a server …
//	      address: host:22       # host:port; required
//	      user: nord             # text; required
//	      key: file:keys/ssh     # secret, an SSH private key; this or password is required
//	      password: env:KASSE    # secret; default none
//	      host-keys: [ssh-ed25519 AAAA…]  # public keys of the server; either these …
//	      known-hosts: keys/kh   # … or a file in the form of OpenSSH
//	      put: in                # remote folder we send to ("." is the login folder); default none: nothing is sent
//	      get: out               # remote folder we collect from; default none: nothing is collected
//	      temporary: suffix      # suffix | dot | none: name of an unfinished file; default suffix
//	      connect-timeout: 20s   # duration, 1s to 10m; default 20s
//	      stall-timeout: 1m      # duration, 1s to 1h, without a byte; default 1m
//	    folder:                  # … or this: local folders, which must exist unless they lie in server.root
//	      put: DIR               # folder; default none
//	      get: DIR               # folder; default none
//	    window: 22:00-05:00      # when sending may begin, see schedule.ParseWindow; text or list; default always
//	    grace: 15m               # duration, 0s to 12h, for finishing a pair when the window closes; default 15m
//	    collect: always          # when the get folder is looked at; text or list; default always
//	    collect-every: 5m        # duration, 10ms to 24h, between two looks; default 5m
//	    incomplete-after: 1h     # duration; an Auftragsdatei without payload, or the reverse, is then taken as such; default 1h
//	    answers: errors-only     # never | errors-only | always: what the partner answers; default errors-only
//	    answer-period: 14d       # duration; silence that long means uncontested (errors-only) or overdue (always); default 14d
//	    first-number: 1          # 0 to 999, first transfer number when there is no history; default 0, with a warning for production
//	    creation-time: shared    # unique | shared: may two deliveries carry the same second; default shared
//	    order: strict            # strict | off: does a delivery wait for its predecessor by UNB 0020; default strict
//	    when-vanished: operator  # operator | resend-same-name: an attempt was cut and nothing is there; default operator
//	    retry:
//	      first: 30s             # duration, the first wait after a broken line, doubled each time; default 30s
//	      max: 30m               # duration, the longest wait; default 30m
//	      attempts: 20           # 1 to 1000000, then the delivery is held; default 20
//	    positive: false          # true | false, receiving: answer good files too; default false
//	    positive-code: "0"       # FHL.4 of such an answer, as long as the profile allows; required if positive
//	    accept-codes: ["0"]      # FHL.4 of this partner's answers that mean accepted; default none
//	    hint-codes: ["1"]        # … that mean accepted with hint; default none
//	    answer-profile: gateway301  # how our own answers look; default gateway301
//
//	routes:                      # the first that fits wins; a file that none fits is held
//	  - name: Fälle              # text; default "route N", counted from 1
//	    recipients: [109910000]  # IKs, UNB 0010; default every recipient
//	    types: [AUFN, RECH]      # message types, the file may hold these only; default every type
//	    mode: production         # production | test; required
//	    partner: kasse           # name of a partner; required
//	    kostentraeger: 109910000 # IK, business recipient; default the recipient
//	    encrypt-to: 109910000    # IK, EMPFÄNGER_NUTZER; default the partner's IK
//	    send-to: 109910000       # IK, EMPFÄNGER_PHYSIKALISCH; default the partner's IK
//
//	speaks-for:                  # exceptions to: account, physical sender, owner, signer and UNB sender are one IK
//	  - account: nord            # name of an outbox or partner; required
//	    owner: 260500005         # IK that others may speak for; at an outbox one of the identities; required
//	    physical: [260500027]    # IKs that may stand as physical sender; default none
//	    signers: [260500027]     # IKs that may sign; default none
//	    unb-senders: [260500027] # IKs that may stand in UNB; default none
//	    fkt-senders: [260500027] # IKs that may stand in FKT; default none
//	    from: 2026-01-01         # first day; default open
//	    until: 2027-01-01        # first day on which it no longer holds; default open
//
//	checks:
//	  insured-list: insured.txt  # file, one Versichertennummer per line: who is not in it is unknown; default no such check
//
//	server:                      # built-in SFTP server for partners that come to us; default none
//	  listen: 127.0.0.1:2222     # host:port; required
//	  host-keys: [file:keys/hk]  # secrets, SSH private keys; required
//	  root: drop                 # folder; accounts live in drop/NAME/in and drop/NAME/out; required
//	  accounts:                  # required
//	    - name: "260500049"      # name; required
//	      keys: [ssh-ed25519 AAAA…]  # public keys that may log in; required
//
// # Values
//
//   - An IK has nine digits and a right check digit; quotes are optional.
//     Placeholders such as 123456789 are refused.
//   - A name has letters, digits, dot, dash and underscore, 64 at most. Outboxes
//     and partners share one set of names, because both are accounts.
//   - A duration is whole numbers with the units d (24 hours), h, m, s, ms: 14d,
//     2h30m. A size is a whole number with B, kB, MB, GB, TB (by 1000), KiB, MiB,
//     GiB or TiB (by 1024). A bare number is refused: which unit would it be?
//   - Paths are relative to the folder of the YAML file as it was named; ~ is not
//     expanded. A folder of ours that does not exist is created by the service
//     (0700), and a warning says so.
//   - A secret is a reference, never the value: file:PATH (readable by its owner
//     alone), env:NAME, credential:NAME (systemd LoadCredential=). No problem ever
//     repeats what stands where a secret belongs.
//
// # What it refuses to do
//
// It reads no keys and certificates, opens no connection, creates no folder, and
// does not know the ledger: whoever has it drops [CodeFirstNumber] for partners
// with history. It writes no YAML.
package config
