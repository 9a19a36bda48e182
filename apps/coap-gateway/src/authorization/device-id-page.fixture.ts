import { type DeviceIdRow, deviceIdRows } from './device-id-rows.fixture.js';

const introduction = `# Which device is it?

<!-- Written from apps/coap-gateway/src/authorization/device-id-rows.fixture.ts. To change it: vitest -u resolve-device-id -->

A device names itself in three places when it signs up, in, out or off, and when it refreshes its token. The CoAP gateway
decides which one counts. In the table, \`a\` and \`b\` are the UUIDs of two devices, \`A\` is \`a\` in upper case, and the device
claim is named \`deviceId\`.

- **Certificate required**: \`coap.tls.client_certificate_required\`.
- **Claim set**: \`coap.authorization.device_id_claim\`.
- **Token, certificate, \`di\`**: what the claim of the token, the certificate and the request say.

Every 4.00 and 4.01 ends the connection, after the device has the whole answer. Each row is a test.

| certificate required | claim set | token | certificate | \`di\` | device, or answer |
|---|---|---|---|---|---|
`;

const end = `
\\* Only with \`coap.tls.identity_properties_required = false\`: devices may then show certificates that are no OCF identities.
Such a certificate does not say which device it is. The gateway does not start with this setting and a device claim; the
tokens of this site (\`sallyport coap code\`) always have such a claim.

With neither claim nor certificate a device can name any other one of its owner; it still needs a token of that owner.
`;

/** The page docs/reference/coap-device-id.md. */
export function renderDeviceIdPage(): string {
  return `${introduction}${deviceIdRows.map((row) => `${lineOf(row)}\n`).join('')}${end}`;
}

function lineOf(row: DeviceIdRow): string {
  const mark = row.areIdentityPropertiesRequired === false ? ' \\*' : '';
  const cells = [
    row.isCertificateRequired ? 'yes' : 'no',
    row.isClaimSet ? 'yes' : 'no',
    row.claim,
    `${row.certificate}${mark}`,
    row.requested,
    row.outcome,
  ];
  return `| ${cells.join(' | ')} |`;
}
