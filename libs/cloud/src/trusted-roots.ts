import { X509Certificate } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOrMessage, readOperatorFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { certificatePemsIn } from '@sallyport/x509';
import type { CloudSettingNames } from './cloud-connection.js';

/** Where the CAs of a cloud are; a `CloudConnection` says it too. */
export interface RootPlace {
  /** A file, or a directory with its sub-directories. */
  readonly rootCertPath: string;
  readonly settingNames: Pick<CloudSettingNames, 'rootCertPath'>;
  commandToSet(name: 'rootCertPath', value: string): string;
}

/** The CAs a cloud may prove itself with. */
export interface TrustedRoots {
  /** Each certificate in PEM, each once. */
  readonly pems: readonly string[];
  /** Entries that are no certificate, one sentence each: at most 20. */
  readonly warnings: readonly string[];
}

const deepestFolder = 16;
const mostFiles = 10_000;
const mostWarnings = 20;
const filesAtOnce = 32;

/** A file that may hold certificates, and what shows that it has changed. */
export interface RootFile {
  readonly path: string;
  readonly signature: string;
}

/**
 * Lists the files of `rootCertPath`: the file itself, or every file of the directory and its sub-directories. A file with
 * several names, as `c_rehash` makes them, is listed once.
 *
 * @throws Problem `config-invalid`: the path cannot be read, or has more than 10,000 files
 */
export async function rootFiles(connection: RootPlace): Promise<RootFile[]> {
  const found = new Map<string, RootFile>();
  try {
    await collect(connection.rootCertPath, { found, depth: 0 });
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw noRoots(connection, `${connection.rootCertPath} cannot be read (${codeOrMessage(error)})`, error);
  }
  return [...found.values()];
}

interface Collection {
  readonly found: Map<string, RootFile>;
  readonly depth: number;
}

async function collect(path: string, { found, depth }: Collection): Promise<void> {
  const stats = await stat(path);
  const identity = `${stats.dev}:${stats.ino}`;
  if (stats.isFile()) found.set(identity, { path, signature: `${identity}:${stats.size}:${stats.mtimeMs}` });
  if (found.size > mostFiles)
    throw new Problem(
      'config-invalid',
      `There are more than ${mostFiles} files of trusted CAs at ${path}. Keep only the CAs of this cloud there.`,
    );
  if (!stats.isDirectory() || depth >= deepestFolder) return;
  // Hidden names are skipped: Kubernetes keeps versions of a mounted secret in names such as `..data`.
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).toSorted();
  // A link that points nowhere is left out, as OpenSSL does.
  for (const name of names) await collect(join(path, name), { found, depth: depth + 1 }).catch(unlessProblem);
}

function unlessProblem(error: unknown): void {
  if (error instanceof Problem) throw error;
}

/**
 * Reads the certificates of files. What cannot be used is left out, with a warning.
 *
 * @throws Problem `config-invalid`: no certificate is left, so no server could ever be trusted
 */
export async function readRoots(connection: RootPlace, files: readonly RootFile[]): Promise<TrustedRoots> {
  const pems = new Set<string>();
  const warnings: string[] = [];
  for (let from = 0; from < files.length; from += filesAtOnce) {
    const batch = files.slice(from, from + filesAtOnce);
    const readings = await Promise.all(batch.map(({ path }) => readOperatorFile(path)));
    for (const [index, reading] of readings.entries()) {
      const path = batch[index]?.path ?? '';
      const certificates = reading.state === 'file' ? certificatesIn(reading.text) : [];
      for (const pem of certificates) pems.add(pem);
      if (certificates.length === 0) warnings.push(`${path} ${reading.fault ?? 'holds no certificate in PEM'}.`);
    }
  }
  if (pems.size > 0) return { pems: [...pems], warnings: warnings.slice(0, mostWarnings) };
  throw noRoots(connection, `there is no CA certificate in PEM at ${connection.rootCertPath}`);
}

/** The certificates of a text that OpenSSL can read, as PEM. */
function certificatesIn(text: string): string[] {
  return certificatePemsIn(text).flatMap((pem) => {
    try {
      return [new X509Certificate(pem).toString()];
    } catch {
      return [];
    }
  });
}

function noRoots({ settingNames, commandToSet }: RootPlace, what: string, cause?: unknown): Problem {
  return new Problem(
    'config-invalid',
    `${settingNames.rootCertPath}: ${what}, so no server could be trusted. Install the CA certificates of the system (package ca-certificates), or name those of the cloud: ${commandToSet('rootCertPath', 'PATH')}`,
    { cause, extensions: { code: 'roots-missing' } },
  );
}
