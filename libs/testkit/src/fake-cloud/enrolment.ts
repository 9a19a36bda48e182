import { writeFile } from 'node:fs/promises';
import { mustRun } from '../run-program.js';
import { temporaryDirectory } from '../temporary-directory.js';
import type { TestCa } from '../test-ca.js';
import { answers, type CloudAnswer } from './answers.js';
import type { Tenant } from './tenant.js';

/** The tenant's CA, as its EST subset shows it (RFC 7030, thin-edge's enrolment). */
export class Enrolment {
  /** Of the certificates that are issued from now on. */
  lifetimeDays = 365;
  /** A password that any device may use again and again, for somebody who tries things out. */
  commonPassword: string | undefined;

  constructor(
    private readonly ca: TestCa,
    private readonly tenant: Tenant,
  ) {}

  async authorities(): Promise<CloudAnswer> {
    return pkcs7(this.ca.certPem);
  }

  /** @param authorization Basic: user = device id, password = its one-time password, which is used up by success */
  async enrol(authorization: string, body: string): Promise<CloudAnswer> {
    const [device = '', ...rest] = Buffer.from(authorization.replace(/^basic /i, ''), 'base64')
      .toString()
      .split(':');
    const expected = this.tenant.oneTimePasswordByDevice.get(device) ?? this.commonPassword;
    if (expected === undefined || rest.join(':') !== expected) return answers.unauthorized();
    return this.issue(device, body);
  }

  /** @param device who the token belongs to; undefined for a user's password */
  async renew(device: string | undefined, body: string): Promise<CloudAnswer> {
    return device === undefined ? answers.unauthorized() : this.issue(device, body);
  }

  private async issue(device: string, body: string): Promise<CloudAnswer> {
    const request = pem('CERTIFICATE REQUEST', body);
    const subject = await mustRun('openssl', ['req', '-noout', '-verify', '-subject', '-nameopt', 'multiline'], {
      input: request,
    }).catch(() => undefined);
    if (subject === undefined) return answers.json(400, { error: 'est/badRequest', message: 'This is no PKCS#10.' });
    const commonName = /commonName\s*= (.*)/.exec(subject)?.[1];
    if (commonName !== device) {
      const message = `The request is for "${commonName}", and the device is "${device}".`;
      return answers.json(422, { error: 'est/subject', message });
    }
    const notAfter = new Date(Date.now() + this.lifetimeDays * 86_400_000);
    const { chainPem } = await this.ca.sign(request, { notAfter });
    this.tenant.oneTimePasswordByDevice.delete(device);
    return pkcs7(chainPem);
  }
}

async function pkcs7(certificatesPem: string): Promise<CloudAnswer> {
  await using directory = temporaryDirectory('sallyport-cloud-est-');
  const path = directory.file('certificates.pem');
  await writeFile(path, certificatesPem);
  const armoured = await mustRun('openssl', ['crl2pkcs7', '-nocrl', '-certfile', path]);
  const base64 = armoured.replace(/-----[^-]+-----\n/g, '');
  const headers = {
    'content-type': 'application/pkcs7-mime; smime-type=certs-only',
    'content-transfer-encoding': 'base64',
  };
  return answers.status(200, base64, headers);
}

function pem(label: string, base64: string): string {
  return `-----BEGIN ${label}-----\n${base64.replace(/\s/g, '').replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
}
