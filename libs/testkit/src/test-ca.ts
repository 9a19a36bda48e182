import { generateKeyPair, type KeyObject } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mustRun } from './run-program.js';
import { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.js';

/** Kinds of key for test certificates, also kinds that we refuse. */
export const keyKinds = ['P-192', 'P-256', 'P-384', 'P-521', 'Ed25519', 'RSA 1024', 'RSA 2048', 'RSA 3072'] as const;
export type KeyKind = (typeof keyKinds)[number];

/** One attribute of a subject name, such as `['CN', 'child01']`; values are taken as they are. */
export type SubjectAttribute = readonly [name: string, value: string];

export interface CertificateOptions {
  /** Short for a subject of one CN. */
  readonly commonName?: string;
  /** The whole subject, in order; several CNs, or none, are possible. */
  readonly subject?: readonly SubjectAttribute[];
  readonly key?: KeyKind;
  /** Default: an hour ago. */
  readonly notBefore?: Date;
  /** Default: in 30 days. */
  readonly notAfter?: Date;
  /** In openssl's words: `DNS:localhost`, `IP:127.0.0.1`, `URI:spiffe://…`. */
  readonly subjectAltNames?: readonly string[];
  /** In openssl's words: `serverAuth,clientAuth`; null leaves the extension out. */
  readonly extendedKeyUsage?: string | null;
  /** Lines of an openssl extension section instead of all the above; an empty list makes an X.509 v1 certificate. */
  readonly extensions?: readonly string[];
  /** Signature digest; default SHA-256, or none for an Ed25519 CA. `md5` needs an RSA CA. */
  readonly digest?: 'md5' | 'sha1' | 'sha256' | 'sha384';
}

/** A certificate with its key, as PEM text and as files. */
export interface TestCertificate {
  readonly certPem: string;
  readonly keyPem: string;
  readonly certPath: string;
  readonly keyPath: string;
  /** This certificate and the intermediates above it, leaf first, without the root. */
  readonly chainPem: string;
  readonly chainPath: string;
}

const hour = 3_600_000;

/**
 * A CA for one test, made with the openssl command. So our code does not check its own certificates.
 *
 * @example
 * ```ts
 * await using ca = await TestCa.create();
 * const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
 * ```
 */
export class TestCa implements AsyncDisposable {
  private constructor(
    private readonly directory: TemporaryDirectory,
    readonly certificate: TestCertificate,
    private readonly intermediatesPem: string,
    private readonly ownsDirectory: boolean,
  ) {}

  /** Makes a root CA; its options are those of any certificate. */
  static async create(options: CertificateOptions = {}): Promise<TestCa> {
    const directory = temporaryDirectory('sallyport-ca-');
    const certificate = await makeCertificate(directory, caDefaults('Test Root CA', options), undefined, '');
    return new TestCa(directory, certificate, '', true);
  }

  /** The CA certificate. */
  get certPem(): string {
    return this.certificate.certPem;
  }

  get certPath(): string {
    return this.certificate.certPath;
  }

  /** Makes a CA below this one. It is removed with this one. */
  async intermediate(options: CertificateOptions = {}): Promise<TestCa> {
    const complete = caDefaults('Test Issuing CA', options);
    const certificate = await makeCertificate(this.directory, complete, this.certificate, this.intermediatesPem);
    return new TestCa(this.directory, certificate, certificate.chainPem, false);
  }

  /** Issues a leaf: by default P-256, valid for 30 days, CA:FALSE, for client and server. */
  issue(options: CertificateOptions = {}): Promise<TestCertificate> {
    return makeCertificate(this.directory, leafDefaults(options), this.certificate, this.intermediatesPem);
  }

  /**
   * Signs a request (PKCS#10 in PEM) with the subject and the key that are in it. The options are those of a leaf; its
   * own subject and key are not used.
   */
  async sign(
    requestPem: string,
    options: CertificateOptions = {},
  ): Promise<Pick<TestCertificate, 'certPem' | 'chainPem'>> {
    const home = await mkdtemp(join(this.directory.path, 'c-'));
    const certPem = await signRequest(home, requestPem, leafDefaults(options), this.certificate);
    return { certPem, chainPem: certPem + this.intermediatesPem };
  }

  /** A CRL of this CA in PEM that names these certificates. It is valid for one day. */
  async revocationList(revoked: readonly Pick<TestCertificate, 'certPath'>[]): Promise<string> {
    const home = await mkdtemp(join(this.directory.path, 'crl-'));
    const config = join(home, 'openssl.cnf');
    const database = `database=${join(home, 'index.txt')}`;
    await writeFile(join(home, 'index.txt'), '');
    await writeFile(config, ['[ca]', 'default_ca=test', '[test]', database, 'default_md=sha256', ''].join('\n'));
    const as = ['ca', '-config', config, '-cert', this.certPath, '-keyfile', this.certificate.keyPath];
    for (const { certPath } of revoked) await mustRun('openssl', [...as, '-revoke', certPath]);
    return mustRun('openssl', [...as, '-gencrl', '-crldays', '1']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ownsDirectory) await this.directory.remove();
  }
}

type CompleteOptions = Required<
  Pick<CertificateOptions, 'subject' | 'key' | 'notBefore' | 'notAfter' | 'extensions'>
> & {
  readonly digest: string;
};

function complete(options: CertificateOptions, commonName: string, extensions: readonly string[]): CompleteOptions {
  return {
    subject: options.subject ?? [['CN', options.commonName ?? commonName]],
    key: options.key ?? 'P-256',
    notBefore: options.notBefore ?? new Date(Date.now() - hour),
    notAfter: options.notAfter ?? new Date(Date.now() + 30 * 24 * hour),
    extensions: options.extensions ?? extensions,
    digest: options.digest ?? 'default',
  };
}

function caDefaults(commonName: string, options: CertificateOptions): CompleteOptions {
  return complete(options, commonName, [
    'basicConstraints=critical,CA:TRUE',
    'keyUsage=critical,keyCertSign,cRLSign',
    'subjectKeyIdentifier=hash',
  ]);
}

function leafDefaults(options: CertificateOptions): CompleteOptions {
  const { extendedKeyUsage = 'clientAuth,serverAuth', subjectAltNames = [] } = options;
  return complete(options, 'test-leaf', [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'subjectKeyIdentifier=hash',
    'authorityKeyIdentifier=keyid',
    ...(extendedKeyUsage === null ? [] : [`extendedKeyUsage=${extendedKeyUsage}`]),
    ...(subjectAltNames.length === 0 ? [] : [`subjectAltName=${subjectAltNames.join(',')}`]),
  ]);
}

async function makeCertificate(
  directory: TemporaryDirectory,
  options: CompleteOptions,
  issuer: TestCertificate | undefined,
  intermediatesPem: string,
): Promise<TestCertificate> {
  // A directory for each, because openssl keeps its database there, and tests issue in parallel.
  const home = await mkdtemp(join(directory.path, 'c-'));
  const [certPath, keyPath, chainPath] = [join(home, 'cert.pem'), join(home, 'key.pem'), join(home, 'chain.pem')];
  const keyPem = await newKeyPem(options.key);
  await writeFile(keyPath, keyPem, { mode: 0o600 });
  const certPem = await signWithOpenssl(home, keyPath, options, issuer);
  const chainPem = certPem + intermediatesPem;
  await Promise.all([writeFile(certPath, certPem), writeFile(chainPath, chainPem)]);
  return { certPem, keyPem, certPath, keyPath, chainPem, chainPath };
}

async function signWithOpenssl(
  home: string,
  keyPath: string,
  options: CompleteOptions,
  issuer: TestCertificate | undefined,
): Promise<string> {
  const configPath = await writeConfig(home, options);
  const subject = ['-key', keyPath, '-subj', subjectArgument(options.subject)];
  const request = await mustRun('openssl', ['req', '-new', '-utf8', '-config', configPath, ...subject]);
  return signRequest(home, request, options, issuer ?? { keyPath });
}

/** @param issuer without a certificate the request signs itself with this key */
async function signRequest(
  home: string,
  request: string,
  options: CompleteOptions,
  issuer: { readonly certPath?: string; readonly keyPath: string },
): Promise<string> {
  const configPath = await writeConfig(home, options);
  const signer = issuer.certPath === undefined ? ['-selfsign'] : ['-cert', issuer.certPath];
  const names = ['-utf8', '-config', configPath];
  const args = ['ca', '-batch', '-notext', '-preserveDN', ...names, ...signer, '-keyfile', issuer.keyPath, '-in', '-'];
  return mustRun('openssl', args, { input: request });
}

async function writeConfig(
  home: string,
  { extensions, notBefore, notAfter, digest }: CompleteOptions,
): Promise<string> {
  const configPath = join(home, 'openssl.cnf');
  await writeFile(join(home, 'index.txt'), '');
  const lines = [
    ...['[req]', 'distinguished_name=dn', '[dn]', '[ca]', 'default_ca=test', '[test]'],
    ...[
      `database=${join(home, 'index.txt')}`,
      `new_certs_dir=${home}`,
      'rand_serial=yes',
      'policy=any',
      'email_in_dn=no',
    ],
    ...[`default_startdate=${asn1Time(notBefore)}`, `default_enddate=${asn1Time(notAfter)}`, 'unique_subject=no'],
    `default_md=${digest}`,
    ...(extensions.length === 0 ? [] : ['x509_extensions=ext']),
    ...['[any]', 'commonName=optional', '[ext]', ...extensions, ''],
  ];
  await writeFile(configPath, lines.join('\n'));
  return configPath;
}

/** GeneralizedTime, which openssl turns into UTCTime where RFC 5280 §4.1.2.5 asks for it. */
function asn1Time(date: Date): string {
  return `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
}

function subjectArgument(subject: readonly SubjectAttribute[]): string {
  const escaped = (value: string) => value.replace(/[\\/+]/g, '\\$&');
  return subject.length === 0 ? '/' : subject.map(([name, value]) => `/${name}=${escaped(value)}`).join('');
}

async function newKeyPem(kind: KeyKind): Promise<string> {
  const { privateKey } = await newKeyPair(kind);
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

const curves = { 'P-192': 'prime192v1', 'P-256': 'prime256v1', 'P-384': 'secp384r1', 'P-521': 'secp521r1' } as const;

async function newKeyPair(kind: KeyKind): Promise<{ privateKey: KeyObject }> {
  const generate = promisify(generateKeyPair);
  if (kind === 'Ed25519') return generate('ed25519');
  if (kind === 'RSA 1024' || kind === 'RSA 2048' || kind === 'RSA 3072')
    return generate('rsa', { modulusLength: Number(kind.slice('RSA '.length)) });
  return generate('ec', { namedCurve: curves[kind] });
}
