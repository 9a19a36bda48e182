import { join } from 'node:path';

/** A device that has enrolled: where its files are, and how clients of other makes are told to use them. */
export class Device {
  constructor(
    readonly name: string,
    /** Its configuration directory. */
    readonly directory: string,
  ) {}

  get certPath(): string {
    return join(this.directory, 'device-certs/tedge-certificate.pem');
  }

  get keyPath(): string {
    return join(this.directory, 'device-certs/tedge-private-key.pem');
  }

  get caPath(): string {
    return join(this.directory, 'device-certs/ca.pem');
  }

  /** curl trusts the site alone, shows the certificate, prints nothing but content and errors. */
  get curl(): string[] {
    const { certPath, keyPath, caPath } = this;
    return ['--silent', '--show-error', '--cacert', caPath, '--cert', certPath, '--key', keyPath];
  }

  /** The same for mosquitto_pub and mosquitto_sub. */
  get mosquitto(): string[] {
    return ['--cafile', this.caPath, '--cert', this.certPath, '--key', this.keyPath];
  }
}
