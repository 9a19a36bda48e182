import { Problem } from '@sallyport/protocol';
import type { FileStorage } from '../file-storage/file-storage.js';
import type { IncomingFile } from '../file-storage/incoming-file.js';
import { FormDataFile, formEnvelopeLimitBytes } from '../multipart/form-data-file.js';
import { answer, type FileExchange } from './answer.js';
import { networkRule, type OwnerRule, type PeerRule } from './path-ownership.js';
import { versionCheck } from './preconditions.js';
import { type BodyConsumer, receiveBody } from './request-body.js';

export interface UploadRules {
  readonly storage: FileStorage;
  /** Maximum size of one file in bytes; unlimited when absent. */
  readonly maxUploadBytes?: number;
  readonly nowMs: () => number;
  readonly ownerOf?: OwnerRule;
  readonly peerKeyOf?: PeerRule;
}

/** Extracts the file from the body of a request: the whole body, or the file in a form. */
interface FileBody {
  readonly consume: BodyConsumer;
  /** Called at the end of the body; throws when the body is incomplete. */
  readonly finish: () => void;
}

/**
 * Answers PUT: stores the body, or the one file of a `multipart/form-data` body, completely or not at all. Success is
 * always 201.
 *
 * @throws Problem `conflict`, `too-large`, `storage-full`, `precondition-failed`, `invalid-request`: nothing was stored.
 */
export async function answerPut(exchange: FileExchange, rules: UploadRules): Promise<void> {
  const { req, path } = exchange;
  const form = isForm(req.headers['content-type']);
  const announcedBytes = announcedLength(req.headers['content-length']);
  refuseTooLarge((announcedBytes ?? 0) - (form ? formEnvelopeLimitBytes : 0), rules, path.text);
  const check = versionCheck(exchange, rules.nowMs);
  const owner = rules.ownerOf?.(req);
  const peer = (rules.peerKeyOf ?? networkRule)(req);
  const incoming = await rules.storage.receive(path, {
    // A form is longer than its file, and we do not know yet by how much.
    ...(announcedBytes === undefined || form ? {} : { expectedBytes: announcedBytes }),
    // In a form, the file is only a part of each piece.
    peer,
    pieces: form ? 'shared' : 'ours',
    ...(check === undefined ? {} : { check }),
    ...(owner === undefined ? {} : { owner }),
  });
  try {
    await store(exchange, incoming, rules);
  } catch (error) {
    await incoming.discard();
    throw error;
  }
  answer(exchange, { status: 201 });
}

async function store(exchange: FileExchange, incoming: IncomingFile, rules: UploadRules): Promise<void> {
  const { req, path } = exchange;
  const accept: BodyConsumer = (content) => {
    refuseTooLarge(incoming.sizeBytes + content.length, rules, path.text);
    return incoming.write(content);
  };
  const contentType = req.headers['content-type'] ?? '';
  const body = isForm(contentType) ? formBody(contentType, accept) : { consume: accept, finish: () => undefined };
  await receiveBody(req, body.consume);
  body.finish();
  // The peer has sent everything. The time that the disk needs now must not count as silence of the peer.
  req.socket.setTimeout(0);
  await incoming.commit();
}

function formBody(contentType: string, accept: BodyConsumer): FileBody {
  let congestion: Promise<void> | undefined;
  const form = new FormDataFile(contentType, (content) => {
    congestion = accept(content);
  });
  return {
    consume: (chunk) => {
      congestion = undefined;
      form.write(chunk);
      return congestion;
    },
    finish: () => form.end(),
  };
}

function isForm(contentType: string | undefined): boolean {
  return contentType !== undefined && /^multipart\/form-data[ \t]*(;|$)/i.test(contentType);
}

function announcedLength(header: string | undefined): number | undefined {
  return header === undefined ? undefined : Number(header);
}

function refuseTooLarge(bytes: number, { maxUploadBytes }: UploadRules, text: string): void {
  if (maxUploadBytes === undefined || bytes <= maxUploadBytes) return;
  throw new Problem(
    'too-large',
    `${JSON.stringify(text)} is too large: the limit is ${maxUploadBytes} bytes a file (http.max_upload_size).`,
  );
}
