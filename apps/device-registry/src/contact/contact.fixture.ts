import { createPrivateKey } from 'node:crypto';
import { connectMqtt, type Mqtt } from '@sallyport/mqtt';
import {
  type AdmissionDecision,
  admitPeer,
  type CertificateAdmissionRequest,
  type ConnectorSettingsChange,
  certificateAdmissionRequest,
  connectorName,
  connectorRoutes,
  type DeviceEvent,
  deviceEvent,
  nameBeforeAdmission,
} from '@sallyport/protocol';
import type { CertificateOptions, TestCa, TestCertificate } from '@sallyport/testkit';
import { waitFor } from '@sallyport/testkit';
import { authorityIdOf, buildCrl, type Certificate, certificatesFromPem, leafName } from '@sallyport/x509';
import type { z } from 'zod';
import { ConnectorsUnderTest, validNow } from '../connectors/connectors.fixture.js';

/** What an entrance of the connector adds to a certificate. */
export interface ContactOptions {
  readonly connector?: string;
  readonly remoteAddress?: string;
  readonly entrance?: string;
  readonly issuedHere?: boolean;
  readonly kind?: 'device' | 'admin';
}

const selfProvisioning: ConnectorSettingsChange = { provisioning: { self: true }, pki: { enabled: true } };

/** A registry with a connector, and the devices that come to it. */
export class ContactsUnderTest {
  readonly events: DeviceEvent[] = [];
  private listener: Mqtt | undefined;

  private constructor(readonly site: ConnectorsUnderTest) {}

  /** Everybody with a certificate of a Client CA may come in, until a test says otherwise. */
  static async start(environment: Readonly<Record<string, string>> = {}): Promise<ContactsUnderTest> {
    const contacts = new ContactsUnderTest(await ConnectorsUnderTest.start(environment));
    contacts.listener = await connectMqtt(contacts.registry.connection('listener'));
    await contacts.listener.subscribe('sallyport/events/#', (_topic, payload) => {
      contacts.events.push(deviceEvent.parse(JSON.parse(payload.toString())));
    });
    await contacts.change(selfProvisioning);
    return contacts;
  }

  get registry() {
    return this.site.registry;
  }

  async stop(): Promise<void> {
    await this.listener?.close();
    await this.site.stop();
  }

  /** Changes the connector, and saves. */
  async change(settings: ConnectorSettingsChange): Promise<void> {
    await this.site.alice.call(connectorRoutes.changeDraft, { body: settings });
    await this.site.alice.save();
  }

  /** A new Client CA, in force. */
  async clientCa(options: object = {}, certificate: CertificateOptions = {}): Promise<TestCa> {
    const ca = await this.site.authority({ subject: [['CN', `CA ${this.registry.announced.length}`]], ...certificate });
    await this.site.alice.addCa(ca.certPem, options);
    await this.site.alice.save();
    return ca;
  }

  /** Another connector, with the same rules and one Client CA. */
  async addConnector(name: string, ca: TestCa): Promise<void> {
    const { alice } = this.site;
    const params = { name };
    await alice.call(connectorRoutes.createConnector, { body: { name } });
    await alice.call(connectorRoutes.changeDraft, { params, body: selfProvisioning });
    await alice.call(connectorRoutes.addClientCa, { params, body: { certificate: { text: ca.certPem } } });
    const { etag } = await alice.call(connectorRoutes.showDraft, { params });
    await alice.call(connectorRoutes.saveDraft, { params, ifMatch: etag });
  }

  async changeCa(ca: TestCa, change: object): Promise<void> {
    await this.site.alice.call(connectorRoutes.changeClientCa, { params: { id: idOf(ca) }, body: change });
    await this.site.alice.save();
  }

  async removeCa(ca: TestCa): Promise<void> {
    await this.site.alice.send(connectorRoutes.removeClientCa, { params: { id: idOf(ca) } });
    await this.site.alice.save();
  }

  /** Gives a Client CA a revocation list of now that names some certificates. */
  async uploadCrl(ca: TestCa, revoked: readonly CertificateAdmissionRequest[]): Promise<void> {
    const now = this.registry.clock.now();
    const list = buildCrl({
      issuer: only(ca.certPem),
      privateKey: createPrivateKey(ca.certificate.keyPem),
      crlNumber: 1n,
      thisUpdate: now,
      nextUpdate: new Date(now.getTime() + 86_400_000),
      entries: revoked.map(({ serialNumber }) => ({ serialNumber, revokedAt: now })),
    });
    const body = { crl: { base64: Buffer.from(list).toString('base64') } };
    await this.site.alice.call(connectorRoutes.updateCrl, { params: { id: idOf(ca) }, body });
  }

  /** Lets a name in for the first time, within 48 hours. */
  allow(name: string, options: object = {}): Promise<void> {
    return this.send('POST', '/v1/allowed', { devices: [name], ...options });
  }

  /** Lets in the devices of a CSV file. */
  importList(csv: string): Promise<void> {
    return this.send('POST', '/v1/devices-import', { csv, mode: 'import' });
  }

  /** Denies a name, or a certificate. */
  deny({ name, certificate }: { readonly name?: string; readonly certificate?: string }): Promise<void> {
    const devices = name === undefined ? [] : [name];
    return this.send('POST', '/v1/denied', { devices, fingerprints: certificate === undefined ? [] : [certificate] });
  }

  delete(name: string): Promise<void> {
    return this.send('DELETE', `/v1/devices/${name}`);
  }

  /** Releases a deleted device. */
  release(name: string): Promise<void> {
    return this.send('DELETE', `/v1/tombstones/${name}`);
  }

  private async send(method: 'POST' | 'DELETE', url: string, payload?: object): Promise<void> {
    const { status, body } = await this.registry.inject({ method, url, ...(payload === undefined ? {} : { payload }) });
    if (status >= 300) throw new Error(`${url} answered ${status}: ${JSON.stringify(body)}`);
  }

  /** Asks as an entrance of the connector does: `admitted as NAME`, or the reason. */
  async come(request: CertificateAdmissionRequest): Promise<string> {
    return outcomeOf(await this.registry.ask(admitPeer, request));
  }

  /** A device of this name comes with a new certificate of a CA. */
  async arrive(ca: TestCa, commonName: string, options: ContactOptions = {}): Promise<string> {
    return this.come(await contactWith(ca, { commonName }, options));
  }

  async typesOf(device: string, count: number): Promise<string[]> {
    const ofDevice = () => this.events.filter((event) => event.device === device).map(({ type }) => type);
    await waitFor(() => ofDevice().length >= count, { what: `event ${count} of ${device}` });
    return ofDevice();
  }
}

/** The question of an entrance about a new certificate of a CA. */
export async function contactWith(
  ca: TestCa,
  certificate: CertificateOptions,
  options: ContactOptions = {},
): Promise<CertificateAdmissionRequest> {
  const leaf = await ca.issue({ ...validNow, notAfter: new Date('2026-12-01T00:00:00Z'), ...certificate });
  return contactFor(leaf, [ca], options);
}

/** @param authorities the CAs above the leaf, the nearest first */
export function contactFor(
  { certPem }: Pick<TestCertificate, 'certPem'>,
  authorities: readonly TestCa[],
  { connector = 'default', issuedHere = false, kind = 'device', ...where }: ContactOptions = {},
): CertificateAdmissionRequest {
  const leaf = only(certPem);
  const issuers = authorities.map((authority) => only(authority.certPem));
  const [issuer] = issuers;
  if (issuer === undefined) throw new Error('a certificate has an issuer');
  const fields: z.input<typeof certificateAdmissionRequest> = {
    fingerprint: leaf.fingerprint,
    deviceId: leafName(leaf).deviceId ?? nameBeforeAdmission(leaf.fingerprint),
    issuerFingerprint: issuer.fingerprint,
    knownIssuerFingerprints: [issuer.fingerprint],
    authorities: issuers.map((each) => authorityIdOf(each)),
    authorityName: issuers.at(-1)?.subject.text ?? '',
    serialNumber: leaf.serialNumber,
    issuedHere,
    kind,
    notBefore: leaf.notBefore.toISOString(),
    notAfter: leaf.notAfter.toISOString(),
    connector: { name: connectorName.parse(connector), certificate: leaf.der.toString('base64') },
    entrance: 'connector',
    remoteAddress: '192.0.2.7',
    ...where,
  };
  return certificateAdmissionRequest.parse(fields);
}

export function outcomeOf(decision: AdmissionDecision): string {
  return decision.outcome === 'admitted' ? `admitted as ${decision.deviceId}` : decision.reason;
}

export function idOf(ca: TestCa): string {
  return authorityIdOf(only(ca.certPem));
}

function only(pem: string): Certificate {
  const [certificate] = certificatesFromPem(pem);
  if (certificate === undefined) throw new Error('no certificate');
  return certificate;
}
