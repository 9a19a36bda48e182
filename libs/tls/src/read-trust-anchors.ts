import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOrMessage, type FileReading, readOperatorFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import {
  type Certificate,
  certificatesFromPem,
  describePemPart,
  isCertificate,
  isPrivateKey,
  keyWeakness,
  pemParts,
} from '@sallyport/x509';
import { EventLoopYield } from './event-loop-yield.js';
import { type AnchorCandidate, makeTrustAnchors, type TrustAnchorOptions, type TrustAnchors } from './trust-anchors.js';

const filesAtOnce = 32;
const mostWarnings = 100;

interface Found {
  readonly candidates: AnchorCandidate[];
  readonly warnings: string[];
}

/** Checks the key here, where the event loop can run in between: RSA takes a millisecond. The answer is remembered. */
function examined(certificate: Certificate): Certificate {
  keyWeakness(certificate);
  return certificate;
}

/** Finds the CA certificates in the text of one file. Anything else becomes a warning. */
async function candidatesOf(name: string, text: string, eventLoop: EventLoopYield): Promise<Found> {
  const found: Found = { candidates: [], warnings: [] };
  const blocks = pemParts(text);
  if (blocks.length === 0) found.warnings.push(`${name}: ignored, holds no PEM certificate`);
  const certificates = blocks.filter(isCertificate);
  for (const other of blocks.filter((block) => !isCertificate(block)))
    found.warnings.push(
      isPrivateKey(other)
        ? `${name}: holds a private key, which does not belong among trusted CAs. Move it away: everybody who can read it can pose as its owner`
        : `${name}: ${describePemPart(other)} ignored`,
    );
  for (const [index, block] of certificates.entries()) {
    const label = certificates.length > 1 ? `${name} (certificate ${index + 1})` : name;
    if (block.isCutOff) found.warnings.push(`${label}: ignored, cut off: it has no END line`);
    try {
      for (const certificate of certificatesFromPem(block.text))
        found.candidates.push({ name, certificate: examined(certificate) });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      found.warnings.push(`${label}: ignored, ${error.message}`);
    }
    await eventLoop.yieldIfDue();
  }
  return found;
}

interface NamedReading {
  readonly name: string;
  readonly reading: FileReading;
}

/** Reads one entry. The same file under a second name (links made by `c_rehash`) is skipped without a warning. */
async function readEntry(directory: string, name: string, seen: Set<string>): Promise<NamedReading | undefined> {
  const reading = await readOperatorFile(join(directory, name));
  if (reading.fault !== undefined) return { name, reading };
  const inode = `${reading.stats.dev}:${reading.stats.ino}`;
  if (seen.has(inode)) return undefined;
  seen.add(inode);
  return { name, reading };
}

/** Hidden names are skipped: Kubernetes keeps versions of a mounted secret in names such as `..data`. */
function isVisible(entry: Dirent): boolean {
  return !entry.name.startsWith('.');
}

async function* readDirectory(directory: string): AsyncGenerator<NamedReading> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter(isVisible);
  const names = entries.map((entry) => entry.name).sort();
  const seen = new Set<string>();
  for (let from = 0; from < names.length; from += filesAtOnce) {
    const batch = names.slice(from, from + filesAtOnce).map((name) => readEntry(directory, name, seen));
    for (const file of await Promise.all(batch)) if (file !== undefined) yield file;
  }
}

async function* readPath(path: string): AsyncGenerator<NamedReading> {
  const isDirectory = (await stat(path)).isDirectory();
  if (isDirectory) yield* readDirectory(path);
  else yield { name: path, reading: await readOperatorFile(path) };
}

async function gather(path: string): Promise<Found> {
  const eventLoop = new EventLoopYield();
  const all: Found = { candidates: [], warnings: [] };
  for await (const { name, reading } of readPath(path)) {
    if (reading.fault !== undefined) {
      all.warnings.push(`${name}: ignored, ${reading.fault}`);
      continue;
    }
    const found = await candidatesOf(name, reading.text, eventLoop);
    all.candidates.push(...found.candidates);
    all.warnings.push(...found.warnings);
  }
  return all;
}

async function gatherReadable(path: string): Promise<Found> {
  try {
    return await gather(path);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('config-invalid', `The trusted CAs at ${path} cannot be read (${codeOrMessage(error)}).`, {
      cause: error,
    });
  }
}

function cut(warnings: readonly string[]): string[] {
  if (warnings.length <= mostWarnings) return [...warnings];
  return [...warnings.slice(0, mostWarnings), `${warnings.length - mostWarnings} more warnings left out`];
}

/**
 * Reads the CAs a listener trusts: one PEM file, or every file of a directory (not its sub-directories).
 *
 * Entries that cannot be used are left out, each with a warning that names it. Reads at most 32 files at a time and
 * parses in small parts, so 10,000 files do not block a running service. The texts name paths. They are for the
 * operator (log, CLI), never for a remote caller.
 *
 * @throws Problem `config-invalid`: the path cannot be read, or no usable CA is left; nobody could ever pass then.
 */
export async function readTrustAnchors(path: string, options: TrustAnchorOptions = {}): Promise<TrustAnchors> {
  const { candidates, warnings } = await gatherReadable(path);
  const anchors = makeTrustAnchors(candidates, options);
  const all = cut([...warnings, ...anchors.warnings]);
  if (anchors.certificates.length > 0) return { ...anchors, warnings: all };
  const seen = all.length === 0 ? 'It is empty.' : `Found: ${all.slice(0, 5).join('; ')}.`;
  throw new Problem(
    'config-invalid',
    `There is no usable CA certificate at ${path}, so no client could ever be trusted. ${seen} Put at least one CA certificate in PEM format there.`,
  );
}
