import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { Settings } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { requireDeviceId } from '../cert/device-files.js';
import type { CliContext } from '../cli-context.js';
import { profileOption, usualProfile } from '../cloud-profile.js';
import { Failure } from '../failure.js';
import { errorText, isSuccess, statusLine } from '../http/answer.js';
import { fileBody } from '../http/file-body.js';
import { type LocalBody, type LocalRequest, sendLocal, textBody } from '../http/local-request.js';
import { cloudProxy } from '../http/local-service.js';
import { mediaTypeOf } from '../http/media-type.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';

const options = globalOptions.extend({
  file: z.string(),
  mimeType: z.string().optional(),
  type: z.string(),
  text: z.string().optional(),
  fragment: z.record(z.string(), z.unknown()).default({}),
  deviceId: z.string().optional(),
  profile: z.string().optional(),
});
type Options = z.infer<typeof options>;

const usualType = 'application/octet-stream';

/** `upload c8y`: a new event of the device, with a file attached to it. Prints the id of the event. */
export function uploadCommand(context: CliContext, program: Command): void {
  program
    .command('upload')
    .description('send files of this device to a cloud')
    .command('c8y')
    .description('attach a file to a new event of the device in Cumulocity, and print the id of the event')
    .requiredOption('--file <file>', 'file to send')
    .option('--mime-type <type>', `media type of the file (default: by its name, else ${usualType})`, mediaType)
    .option('--type <type>', 'type of the event', 'tedge_UploadedFile')
    .option('--text <text>', 'text of the event (default: Uploaded file: "FILE")')
    .option('--fragment <json>', 'JSON object with more fields of the event (also: --json JSON)', jsonObject)
    .option('--device-id <id>', 'external id of a child device or service (default: this device)', externalId)
    .addOption(profileOption())
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const profile = given.profile ?? usualProfile(context);
      const settings = await openSettings(context, given, profile === undefined ? {} : { profile });
      const eventId = await upload(context, settings, given);
      if (given.json) writeJson(context, { eventId });
      else writeLines(context, [eventId]);
    });
}

/** Ids of child devices and services have colons, so they are no device ids. */
function externalId(text: string): string {
  if (/^[^\p{Cc}]{1,1000}$/u.test(text)) return text;
  throw new InvalidArgumentError('It is 1 to 1000 characters without control characters.');
}

function mediaType(text: string): string {
  if (/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:; *[\w-]+=[\w.-]+)*$/.test(text)) return text;
  throw new InvalidArgumentError('It is a media type, such as text/plain.');
}

function jsonObject(text: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    throw new InvalidArgumentError('It is a JSON object, such as \'{"key": 1}\'.');
  }
}

/** @returns the id of the event */
async function upload(context: CliContext, settings: Settings, given: Options): Promise<string> {
  const path = absolutePath(context, given.file);
  const file = await fileBody(path);
  const deviceId = given.deviceId ?? requireDeviceId(context, settings, { cloud: 'c8y' });
  const ask = async <Answer extends z.ZodType>(request: CloudRequest, schema: Answer): Promise<z.infer<Answer>> => {
    const answer = await sendLocal({ settings, signal: context.signal }, { service: cloudProxy(settings), ...request });
    return parsed(request, answer, schema);
  };
  const source = await ask(identityRequest(deviceId), identity);
  const event = {
    ...given.fragment,
    source: source.managedObject,
    type: given.type,
    time: context.now().toISOString(),
    text: given.text ?? `Uploaded file: "${given.file}"`,
  };
  const { id } = await ask(
    { method: 'POST', target: '/c8y/event/events', headers: json, body: textBody(JSON.stringify(event)) },
    created,
  );
  const type = given.mimeType ?? mediaTypeOf(path) ?? usualType;
  await ask(binaryRequest(id, file, { name: basename(path), type }), z.unknown());
  return id;
}

type CloudRequest = Omit<LocalRequest, 'service'>;

const json = { accept: 'application/json', 'content-type': 'application/json' };
// Cumulocity writes ids as texts of digits.
const objectId = z.string().regex(/^[\w-]{1,64}$/);
const identity = z.object({ managedObject: z.object({ id: objectId }) });
const created = z.object({ id: objectId });

function identityRequest(deviceId: string): CloudRequest {
  const target = `/c8y/identity/externalIds/c8y_Serial/${encodeURIComponent(deviceId)}`;
  return { method: 'GET', target, headers: { accept: 'application/json' } };
}

/** multipart/form-data (RFC 7578) with the fields `type` and `file`; the file is read while it is sent. */
function binaryRequest(eventId: string, file: LocalBody, { name, type }: { name: string; type: string }): CloudRequest {
  const boundary = `sallyport-${randomBytes(18).toString('hex')}`;
  // RFC 7578 §4.2 and the living standard of HTML: these three are escaped in a name.
  const quotedName = name.replace(/["\r\n]/g, encodeURIComponent);
  const head = Buffer.from(
    [
      ...[`--${boundary}`, 'Content-Disposition: form-data; name="type"', '', type],
      ...[`--${boundary}`, `Content-Disposition: form-data; name="file"; filename="${quotedName}"`],
      ...[`Content-Type: ${type}`, '', ''],
    ].join('\r\n'),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield head;
    yield* file.open();
    yield tail;
  }
  const bytes = file.bytes === undefined ? undefined : head.length + file.bytes + tail.length;
  const headers = { accept: 'application/json', 'content-type': `multipart/form-data; boundary=${boundary}` };
  const target = `/c8y/event/events/${eventId}/binaries`;
  return { method: 'POST', target, headers, body: { bytes, open: () => Readable.from(parts()) } };
}

async function parsed<Answer extends z.ZodType>(
  { method, target }: CloudRequest,
  answer: IncomingMessage,
  schema: Answer,
): Promise<z.infer<Answer>> {
  const text = await errorText(answer);
  if (!isSuccess(answer)) throw new Failure(`${method} ${target}: ${statusLine(answer)}`, text);
  const value = schema.safeParse(jsonOf(text));
  if (value.success) return value.data;
  throw new Problem(
    'unavailable',
    `${method} ${target} was answered with something that Cumulocity does not answer. Check c8y.http.`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
