import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption, usualProfile } from '../cloud-profile.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson } from '../output.js';
import { failWithAnswer, isSuccess, writeBody } from './answer.js';
import { fileBody } from './file-body.js';
import { type LocalBody, type LocalRequest, sendLocal, textBody } from './local-request.js';
import { serviceOf } from './local-service.js';
import { mediaTypeOf } from './media-type.js';

const options = globalOptions.extend({
  data: z.string().optional(),
  file: z.string().optional(),
  contentType: z.string().optional(),
  acceptType: z.string().optional(),
  profile: z.string().optional(),
});
type Options = z.infer<typeof options>;
type Method = LocalRequest['method'];

const usualType = 'application/json';

/** `http`: requests to the Cumulocity proxy, the file transfer service and the entity API, with the settings of this device. */
export function httpCommand(context: CliContext, program: Command): void {
  const http = program.command('http').description('send requests to the HTTP services of the gateway');
  withContent(context, http, 'post');
  withContent(context, http, 'put');
  withContent(context, http, 'patch');
  acceptOption(requestCommand(http, 'get', 'GET a resource'))
    .addOption(profileOption())
    .action((uri: string, _options: unknown, command: Command) => send(context, { method: 'GET', uri, command }));
  requestCommand(http, 'delete', 'DELETE a resource')
    .addOption(profileOption())
    .action((uri: string, _options: unknown, command: Command) => send(context, { method: 'DELETE', uri, command }));
}

function withContent(context: CliContext, http: Command, name: 'post' | 'put' | 'patch'): void {
  const method = methods[name];
  const command = requestCommand(http, name, `${method} content`)
    .argument('[content]', 'content to send')
    .option('--data <content>', 'content to send')
    .option('--file <file>', 'file to send')
    .option('--content-type <type>', `what is sent (default: by the name of the file, else ${usualType})`, headerValue);
  acceptOption(command)
    .addOption(profileOption())
    .action((uri: string, content: string | undefined, _options: unknown, called: Command) =>
      send(context, { method, uri, content, command: called }),
    );
}

const methods = { post: 'POST', put: 'PUT', patch: 'PATCH' } as const;

function requestCommand(http: Command, name: string, what: string): Command {
  return http
    .command(name)
    .description(`${what}; exit code 0 for an answer 2xx`)
    .argument('<uri>', 'path, with its query: /c8y/..., /te/... or /tedge/...');
}

function acceptOption(command: Command): Command {
  return command.option('--accept-type <type>', 'what may be answered', headerValue);
}

function headerValue(text: string): string {
  if (/^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(text)) return text;
  throw new InvalidArgumentError('It is a media type, such as application/json.');
}

interface Called {
  readonly method: Method;
  readonly uri: string;
  readonly content?: string | undefined;
  readonly command: Command;
}

async function send(context: CliContext, { method, uri, content, command }: Called): Promise<void> {
  const given = optionsOf(command, options);
  const texts = [content, given.data].filter((text) => text !== undefined);
  if (texts.length + (given.file === undefined ? 0 : 1) !== (isWithContent(method) ? 1 : 0))
    command.error('the content is needed once: as [content], --data or --file');
  const profile = given.profile ?? (uri.startsWith('/c8y') ? usualProfile(context) : undefined);
  const settings = await openSettings(context, given, profile === undefined ? {} : { profile });
  const service = serviceOf(uri, settings);
  context.log.debug(`${method} ${service.origin}${uri}`);
  const body = await bodyOf(context, given, texts[0]);
  const request = {
    service,
    method,
    target: uri,
    headers: headersOf(given, body),
    ...(body === undefined ? {} : { body }),
  };
  const answer = await sendLocal({ settings, signal: context.signal }, request);
  if (!isSuccess(answer)) return failWithAnswer(context, answer, given);
  const bytes = await writeBody(context, answer);
  // A program that wants JSON gets the answer of the service as it is, or else what is known of it.
  if (given.json && bytes === 0) writeJson(context, { status: answer.statusCode });
}

function isWithContent(method: Method): boolean {
  return method !== 'GET' && method !== 'DELETE';
}

async function bodyOf(
  context: CliContext,
  { file }: Options,
  text: string | undefined,
): Promise<LocalBody | undefined> {
  if (file !== undefined) return fileBody(absolutePath(context, file));
  return text === undefined ? undefined : textBody(text);
}

function headersOf({ file, contentType, acceptType }: Options, body: LocalBody | undefined): Record<string, string> {
  const guessed = file === undefined ? undefined : mediaTypeOf(file);
  return {
    ...(body === undefined ? {} : { 'content-type': contentType ?? guessed ?? usualType }),
    ...(acceptType === undefined ? {} : { accept: acceptType }),
  };
}
