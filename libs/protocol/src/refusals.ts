/**
 * Why an entrance turned a peer away. The code is stable: it is a metric label, a log field, an audit field and the
 * anchor of its entry in the documentation. `meaning` says what happened, `remedy` what to do about it.
 */
export const refusals = {
  'handshake-timeout': {
    meaning: 'The TLS handshake did not finish in time.',
    remedy: 'Check the network path and that the client speaks TLS 1.2 or newer.',
  },
  'handshake-failed': {
    meaning: 'The TLS handshake failed before a certificate could be judged.',
    remedy: 'Check that the client speaks TLS 1.2 or newer and trusts the server certificate.',
  },
  'no-certificate': {
    meaning: 'The client sent no certificate.',
    remedy: 'Pass the client certificate and key (curl: --cert and --key).',
  },
  'session-reused': {
    meaning: 'The client tried to resume an earlier TLS session.',
    remedy: 'Make a full handshake; resumption skips every check and is never accepted.',
  },
  'issuer-unknown': {
    meaning: 'No trusted CA issued the certificate.',
    remedy:
      'Enrol the device with this site, or add its CA: to the trusted CAs of the listener, or to a connector with: sallyport client-ca add FILE',
  },
  'chain-incomplete': {
    meaning: 'The certificate chain does not reach a trusted CA.',
    remedy: 'Send the intermediate certificates after the leaf in the certificate file.',
  },
  'chain-too-long': {
    meaning: 'The client sent more certificates than a chain may have.',
    remedy: 'Send the leaf and its intermediates only.',
  },
  'chain-invalid': {
    meaning: 'The certificate chain breaks a rule of X.509 path validation.',
    remedy: 'Check it with "openssl verify -CAfile ROOT -untrusted CHAIN LEAF", and have what it names issued again.',
  },
  'certificate-malformed': {
    meaning: 'The certificate breaks a rule of RFC 5280 for its encoding or its serial number.',
    remedy: 'Have it issued again, in DER, with a positive serial number of at most 20 octets.',
  },
  'certificate-expired': {
    meaning: 'The client certificate is past its end date.',
    remedy:
      'Check the clock of the device. Have its Client CA issue a new certificate, or enrol it again with a new token: sallyport device enroll-token DEVICE',
  },
  'certificate-not-yet-valid': {
    meaning: 'The client certificate is not valid yet.',
    remedy: 'Check the clocks of both sides.',
  },
  'issuer-expired': {
    meaning: 'A CA certificate of the chain is past its end date.',
    remedy: 'Renew or rotate that CA.',
  },
  'wrong-purpose': {
    meaning: 'The certificate may not be used as a TLS client certificate.',
    remedy: 'Issue it with extended key usage clientAuth.',
  },
  'leaf-is-ca': {
    meaning: 'The certificate is one of a CA, or has the key of one: it may sign other certificates.',
    remedy: 'Make a new key, and have its certificate issued as CA:FALSE and without key usage keyCertSign.',
  },
  'issuer-unfit': {
    meaning: 'A certificate above the client certificate is no CA, or may not issue certificates of TLS clients.',
    remedy:
      'Issue that CA certificate again as CA:TRUE, with key usage keyCertSign, and with extended key usage clientAuth or none.',
  },
  'issuer-weak': {
    meaning: 'The key of a CA in the chain is weak or can be computed from its certificate.',
    remedy: 'Make that CA a new key (EC P-256, Ed25519, or RSA 2048 or more) and issue what it signed again.',
  },
  'name-constrained': {
    meaning: 'A CA in the chain may not vouch for this name: its name constraints forbid it.',
    remedy:
      'Use a device id that ends in a DNS name those constraints permit, or have it issued by a CA without name constraints.',
  },
  'weak-key': {
    meaning: 'The key is weaker than RSA 2048, P-256 or Ed25519, or can be computed from the certificate.',
    remedy: 'Make a new key and enrol again.',
  },
  'weak-signature': {
    meaning: 'The certificate, or one of a CA above it, is signed with MD5, SHA-1 or another weak algorithm.',
    remedy: 'Issue it again with SHA-256 or better.',
  },
  'name-missing': {
    meaning: 'The certificate subject has no common name.',
    remedy: 'Issue it with exactly one CN: the device id.',
  },
  'name-ambiguous': {
    meaning: 'The certificate subject has more than one common name.',
    remedy: 'Issue it with exactly one CN: the device id.',
  },
  'name-invalid': {
    meaning: 'The common name is not a valid device id.',
    remedy: 'Use 1 to 64 letters, digits or - . _ : @ and start with a letter or digit.',
  },
  'token-expired': {
    meaning: 'The access token is past its end.',
    remedy: 'Check the clock of the device. Get a new token, and sign in again.',
  },
  'token-not-accepted': {
    meaning: 'No device of this name has been signed up, so a token does not admit it.',
    remedy: 'Sign the device up at the CoAP gateway first, or connect with a client certificate.',
  },
  'certificate-revoked': {
    meaning: 'The certificate has been revoked.',
    remedy: 'Have the Client CA of the device issue a new certificate, or enrol it again with a new one-time token.',
  },
  'device-locked': { meaning: 'The device is locked.', remedy: 'sallyport device unlock DEVICE' },
  'device-revoked': {
    meaning: 'The device has been revoked.',
    remedy: 'Make a token that brings it back, and enrol it again: sallyport device enroll-token --reinstate DEVICE',
  },
  'device-retired': {
    meaning: 'The device has been retired.',
    remedy: 'Use another device id; a retired one never comes back.',
  },
  'name-conflict': {
    meaning: 'Another CA already vouches for a device of this name.',
    remedy:
      'Use another device id. If that CA got a new key, hand its devices over: sallyport device takeover\nTo move the device to this site: sallyport device enroll-token --reinstate DEVICE',
  },
  'too-many-new-certificates': {
    meaning: 'CAs outside this site vouch for more new certificates than are taken on at once.',
    remedy:
      'Try again in a minute. If no fleet is being rolled out, the key of such a CA may be stolen: remove it from the trusted CAs.',
  },
  'device-pending-approval': {
    meaning: 'The device has come for the first time, and waits for an administrator.',
    remedy: 'sallyport device approve DEVICE',
  },
  'device-expired': {
    meaning: 'The device was expected until a moment, and did not come in time.',
    remedy: 'Expect it again: sallyport device allow DEVICE',
  },
  'device-deleted': {
    meaning: 'The device, or a device with this certificate, has been deleted. It does not come back by itself.',
    remedy: 'sallyport device release DEVICE',
  },
  'connector-unknown': {
    meaning: 'There is no connector for this name.',
    remedy: 'Use the domain of a connector. See which there are: sallyport connector list',
  },
  'certificates-not-accepted': {
    meaning: 'The connector takes no device certificates.',
    remedy: 'Turn the PKI of the connector on, or use the credential that the connector takes.',
  },
  'issuer-not-accepted': {
    meaning: 'The CA of the certificate is trusted, but not by this connector.',
    remedy: 'Add the CA to the connector: sallyport client-ca add FILE',
  },
  'issuer-disabled': {
    meaning: 'Logins with certificates of this Client CA are blocked.',
    remedy: 'sallyport client-ca enable CA',
  },
  'issuer-stopped': {
    meaning: 'This Client CA may not bring new devices.',
    remedy: 'sallyport client-ca enable CA',
  },
  'revocation-unknown': {
    meaning: 'The CRL of the Client CA is missing or out of date, and the connector requires it.',
    remedy: 'Upload a new CRL: sallyport client-ca crl CA FILE',
  },
  'identity-format': {
    meaning: 'The identity has not the format that the connector requires.',
    remedy: 'Give the device an identity of this format, or change the format: sallyport connector identity',
  },
  'identity-outside-namespace': {
    meaning: 'The identity does not begin with the namespace of its Client CA.',
    remedy: 'Issue the certificate for a name with this prefix, or change the namespace of the Client CA.',
  },
  'identity-denied': {
    meaning: 'An administrator has denied this identity, or this certificate.',
    remedy: 'sallyport device deny --remove IDENTITY',
  },
  'not-expected': {
    meaning: 'No device of this identity is expected, and devices do not register themselves here.',
    remedy: 'Expect the device: sallyport device allow IDENTITY',
  },
  'address-not-allowed': {
    meaning: 'New devices are not taken from this network address.',
    remedy: 'Bring the device up in an allowed network, or add its network: sallyport connector provisioning',
  },
  'quota-reached': {
    meaning: 'The connector, or the Client CA, has as many devices as it may have.',
    remedy: 'Delete devices that are gone, or raise the quota.',
  },
  'too-many-new-devices': {
    meaning: 'The connector has taken as many new devices in this minute as it may.',
    remedy: 'Try again in a minute.',
  },
  'too-many-attempts': {
    meaning: 'Too many attempts with wrong names or secrets came from this network.',
    remedy: 'Wait a minute, and check name and secret of the device.',
  },
  'hook-refused': {
    meaning: 'The provisioning hook of the connector said no to the device.',
    remedy: 'Ask who runs the hook.',
  },
  'hook-unavailable': {
    meaning: 'The provisioning hook of the connector did not answer in time, so nobody new is let in.',
    remedy: 'Check the service behind the hook.',
  },
  'certificate-not-pinned': {
    meaning: 'The device is known with another certificate, and the connector accepts only that one.',
    remedy: 'Accept the new one: sallyport device accept DEVICE FINGERPRINT',
  },
  'certificate-superseded': {
    meaning: 'The device already came with a newer certificate.',
    remedy: 'Use the newest certificate of the device.',
  },
  'credential-mismatch': {
    meaning: 'The device has, or as a new device needs, another kind of credential.',
    remedy:
      'Use the credential that the device was provisioned with. What new devices show: sallyport connector provisioning --auth',
  },
  'credential-unknown': {
    meaning: 'The token or the password is not right, or has been replaced.',
    remedy: 'Check it; if it is lost, let the device activate again: sallyport device reactivate DEVICE',
  },
  'already-activated': {
    meaning: 'The device has its credential already; it is given only once.',
    remedy: 'Use it; if it is lost, let the device activate again: sallyport device reactivate DEVICE',
  },
  'not-ocf-identity': {
    meaning: 'The certificate is no identity of an OCF device.',
    remedy:
      'Issue it with common name "uuid:" and the UUID of the device, and with extended key usages clientAuth, serverAuth and 1.3.6.1.4.1.44924.1.6: sallyport coap identity --device UUID',
  },
  'authorization-refused': {
    meaning: 'The device was not signed in, its access token was refused, or it belongs to another user.',
    remedy:
      'The log of the CoAP gateway has the reason that the device was told. If it lost its token, sign it up again: sallyport coap code',
  },
  'not-permitted': {
    meaning: 'This kind of certificate has no access to this entrance.',
    remedy: 'Use a certificate of the right kind (device, service or admin).',
  },
  'admission-unavailable': {
    meaning: 'The device registry did not answer, so nobody new is let in.',
    remedy: 'Check the device registry and the MQTT broker: sallyport status.',
  },
  'handshakes-too-costly': {
    meaning: 'Failed handshakes from this network have cost more than its share.',
    remedy: 'Wait a minute, and find the client there that sends long chains or unusual keys.',
  },
  'too-many-connections': {
    meaning: 'The entrance is full.',
    remedy: 'Close idle connections and try again.',
  },
} as const satisfies Record<string, { meaning: string; remedy: string }>;

export type RefusalReason = keyof typeof refusals;

/** Reasons that do not depend on the peer: it may pass a little later. */
export const passingRefusals: ReadonlySet<RefusalReason> = new Set([
  'admission-unavailable',
  'too-many-connections',
  'too-many-new-certificates',
  'too-many-new-devices',
  'too-many-attempts',
  'hook-unavailable',
]);

const deviceStatuses: Partial<Record<RefusalReason, 401 | 404 | 409 | 429 | 503>> = {
  'no-certificate': 401,
  'credential-unknown': 401,
  'token-expired': 401,
  'certificate-expired': 401,
  'not-expected': 404,
  'name-conflict': 409,
  'certificate-not-pinned': 409,
  'certificate-superseded': 409,
  'credential-mismatch': 409,
  'already-activated': 409,
  'too-many-new-certificates': 429,
  'too-many-new-devices': 429,
  'too-many-attempts': 429,
  'admission-unavailable': 503,
  'hook-unavailable': 503,
  'too-many-connections': 503,
};

/** The HTTP status with which a connector tells a device why it is refused; 429 and 503 go with `Retry-After`. */
export function deviceStatusOf(reason: RefusalReason): number {
  return deviceStatuses[reason] ?? 403;
}

const codes = new Set<string>(Object.keys(refusals));

/** True for a code of the table above. */
export function isRefusalReason(code: string): code is RefusalReason {
  return codes.has(code);
}
