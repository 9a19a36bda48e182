import { isUtf8 } from 'node:buffer';
import {
  type Body,
  BodyTooLarge,
  collect,
  type IncomingRequest,
  type ResponseHead,
  type ResponseWriter,
} from '@sallyport/http-wire';
import { Problem } from '@sallyport/protocol';
import { type FormPairs, formatForm, parseFormBody } from './form.js';

/** One request of a device, and its answer. */
export class DeviceCall {
  /** @param onAnswer is told the status of the answer */
  constructor(
    readonly request: IncomingRequest,
    private readonly response: ResponseWriter,
    private readonly onAnswer: (status: number) => void,
  ) {}

  get isPending(): boolean {
    return this.response.isPending;
  }

  answer(status: number, fields: readonly string[], body: string): void {
    this.onAnswer(status);
    this.response.answer(status, fields, body);
  }

  send(head: ResponseHead, body: Body): void {
    this.onAnswer(head.status);
    this.response.send(head, body);
  }
}

const formType = ['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8'];
const textType = ['Content-Type', 'text/plain; charset=utf-8'];

/** Old firmware sends no type, or writes `charset=utf=8`, so only the type itself counts. */
const readableType = /^\s*(?:application\/x-www-form-urlencoded|text\/plain)\s*(?:;|$)/i;

/** How much of a body is taken. */
export interface FormLimits {
  readonly mostBytes: number;
  /** Called with the bytes that are to be kept so far; what it throws refuses the body. */
  readonly onGrowth?: (bytes: number) => void;
}

/**
 * Reads the form in the body of a request.
 *
 * @throws Problem `unsupported-media-type`, `too-large`, `invalid-request`; what `onGrowth` throws
 */
export async function readForm({ request }: DeviceCall, limits: FormLimits): Promise<FormPairs> {
  const type = request.fields.get('content-type');
  if (type !== undefined && type !== '' && !readableType.test(type))
    throw new Problem(
      'unsupported-media-type',
      'The body must be application/x-www-form-urlencoded, such as temperature=50.',
    );
  const body = await collect(request.body, limits.mostBytes, limits.onGrowth).catch((error: unknown) => {
    throw tooLargeOr(error, limits);
  });
  if (!isUtf8(body)) throw new Problem('invalid-request', 'The body is not UTF-8.');
  return parseFormBody(body.toString('utf8').trim());
}

function tooLargeOr(error: unknown, { mostBytes }: FormLimits): unknown {
  if (!(error instanceof BodyTooLarge)) return error;
  return new Problem('too-large', `The body has more than ${mostBytes} bytes. Send it in several requests.`);
}

export function answerNoContent(call: DeviceCall): void {
  call.answer(204, [], '');
}

export function answerText(call: DeviceCall, text: string, fields: readonly string[] = []): void {
  call.answer(200, [...textType, ...fields], text);
}

export function answerForm(call: DeviceCall, pairs: FormPairs, fields: readonly string[] = []): void {
  call.answer(200, [...formType, ...fields], formatForm(pairs));
}

/** Answers with a problem (RFC 9457). Does nothing when the device has its answer already. */
export function answerProblem(call: DeviceCall, problem: Problem, fields: readonly string[] = []): void {
  if (!call.isPending) return;
  const { status, retryAfterSeconds } = problem;
  const type = ['Content-Type', 'application/problem+json'];
  const retry = retryAfterSeconds === undefined ? [] : ['Retry-After', String(retryAfterSeconds)];
  // RFC 9110 §11.6.1: 401 names a way to sign in.
  const challenge = status === 401 ? ['WWW-Authenticate', 'Bearer'] : [];
  call.answer(status, [...type, ...retry, ...challenge, ...fields], JSON.stringify(problem));
}
