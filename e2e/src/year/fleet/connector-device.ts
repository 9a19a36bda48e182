import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { EstClient, replaceRoots, trustFromPem } from '@sallyport/identity';
import { RawConnection, type TestCa } from '@sallyport/testkit';
import { FleetDevice } from './device.js';
import { answerOf } from './local-devices.js';
import type { DeviceSpec, FleetSite } from './messages.js';

const rootsEvery = 5;
const lifeMs = 90 * 24 * 3_600_000;

/** A device with a certificate of its maker. It fetches the roots of the site now and then, as `cacerts` of EST. */
export class ConnectorDevice extends FleetDevice {
  private contacts = 0;

  constructor(
    spec: DeviceSpec,
    site: FleetSite,
    private readonly maker: TestCa,
  ) {
    super(spec, site);
  }

  override async begin(): Promise<void> {
    await copyFile(this.site.rootPath, this.files.caPath);
    await this.renewAtMaker();
  }

  protected override renew(): Promise<void> {
    return this.renewAtMaker();
  }

  private async followRoots(): Promise<void> {
    const trust = trustFromPem(await readFile(this.files.caPath, 'utf8'));
    const published = await new EstClient({ url: this.estUrl, trust }).caCertificates();
    const roots = published.filter(({ subject, issuer }) => subject.der.equals(issuer.der));
    if (roots.length > 0) await replaceRoots(this.files, roots);
  }

  protected async sendData(): Promise<void> {
    await this.sendValue();
    this.contacts += 1;
    if (this.contacts % rootsEvery === 0) await this.followRoots();
  }

  private async sendValue(): Promise<void> {
    await using connection = await RawConnection.open({ port: this.site.connector, tls: await this.tls() });
    const head = [
      'POST /api:v1/stack/alias HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/x-www-form-urlencoded; charset=utf-8',
      'Content-Length: 4',
    ];
    connection.send(`${head.join('\r\n')}\r\n\r\nt=21`);
    const { status } = await answerOf(connection);
    if (status !== 204) throw new Error(`the connector answered ${status}`);
  }

  private async renewAtMaker(): Promise<void> {
    const notAfter = new Date(Date.now() + lifeMs);
    const { certPem, keyPem } = await this.maker.issue({ commonName: this.spec.name, key: 'P-256', notAfter });
    await writeFile(this.files.certPath, certPem);
    await writeFile(this.files.keyPath, keyPem);
  }
}
