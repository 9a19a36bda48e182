import { join } from 'node:path';

/** An enrolled device: the paths of its files, and the arguments that make other clients use them. */
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

  /** curl trusts only the site, shows the certificate, and prints only content and errors. */
  get curl(): string[] {
    const { certPath, keyPath, caPath } = this;
    return ['--silent', '--show-error', '--cacert', caPath, '--cert', certPath, '--key', keyPath];
  }

  /** The same for mosquitto_pub and mosquitto_sub. */
  get mosquitto(): string[] {
    return ['--cafile', this.caPath, '--cert', this.certPath, '--key', this.keyPath];
  }
}
