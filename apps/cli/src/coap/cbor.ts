import { readFile } from 'node:fs/promises';
import { decode, encode } from 'cborg';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { inputText } from '../input-text.js';
import { absolutePath, globalOptions, optionsOf } from '../options.js';
import { writeLines } from '../output.js';

// A gateway takes no larger body.
const longestInput = 262_144;

const options = globalOptions.extend({ decode: z.string().optional() });

/** `coap cbor`: between JSON, which people write, and CBOR, which OCF devices send. No service is asked. */
export function cborCommand(context: CliContext, parent: Command): void {
  parent
    .command('cbor')
    .description('write JSON as CBOR, for coap-client and other clients; with --decode the other way')
    .argument('[json]', 'JSON to write as CBOR to standard output; with "-" it is read from standard input')
    .option('--decode <file>', 'print the CBOR in this file as JSON')
    .action(async (json: string | undefined, _options: unknown, command: Command) => {
      const { decode: file } = optionsOf(command, options);
      if (file !== undefined) writeLines(context, [jsonOf(await readFile(absolutePath(context, file)), file)]);
      else if (json === '-') context.stdout.write(cborOf(await readInput(context)));
      else if (json !== undefined) context.stdout.write(cborOf(json));
      else throw new Failure('There is nothing to write.', `Give it JSON: coap cbor '{"login": true}'`);
    });
}

/** Everybody on the machine can read arguments, and the JSON may hold a code or a token. */
async function readInput(context: CliContext): Promise<string> {
  let text = '';
  for await (const piece of inputText(context)) {
    text += piece;
    if (text.length > longestInput)
      throw new Failure(`The JSON is longer than ${longestInput} characters.`, 'Send less.');
  }
  return text;
}

function cborOf(json: string): Uint8Array {
  try {
    return encode(JSON.parse(json));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new Failure(`That is not JSON: ${cause.message}.`, 'Names and texts need double quotes.');
  }
}

/** Byte strings, which JSON has not, become `{"$bytes": "<base64>"}`, as in the admin API. */
function jsonOf(bytes: Uint8Array, file: string): string {
  try {
    return JSON.stringify(decode(bytes), (_key, value: unknown) =>
      value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString('base64') } : value,
    );
  } catch (cause) {
    const fault = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(`${file} is not CBOR: ${fault}.`, 'An error answer of CoAP is a text. Look at it with cat.');
  }
}
