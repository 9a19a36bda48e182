import { Problem } from '@sallyport/protocol';
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

/**
 * Values of a log line. Never a secret. Never a value from a peer, unless it was validated or escaped. Three names are
 * reserved: a second `level` in the JSON object would hide how serious the line is.
 */
export type LogFields = Readonly<Record<string, unknown> & { level?: never; time?: never; message?: never }>;

/**
 * A service's log: a constant sentence, values as fields. `error` wakes somebody, `warn` is looked at tomorrow,
 * `info` is the normal life of the service, `debug` is off unless asked for.
 */
export abstract class Log {
  abstract debug(fields: LogFields, message: string): void;
  abstract info(fields: LogFields, message: string): void;
  abstract warn(fields: LogFields, message: string): void;
  abstract error(fields: LogFields, message: string): void;
  abstract child(fields: LogFields): Log;
}

export interface LogOptions {
  /** `debug`, `info`, `warn`, `error` or `silent`; default `info`. */
  readonly level?: string;
  /** Where lines go; default standard output. */
  readonly destination?: DestinationStream;
}

/** Structured JSON lines, one an event. Errors are written under `error` with their causes. */
export function openLog({ level = 'info', destination }: LogOptions = {}): Log {
  const options = {
    level,
    base: null,
    messageKey: 'message',
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: describeError },
  };
  return new PinoLog(destination ? pino(options, destination) : pino(options));
}

class PinoLog extends Log {
  constructor(private readonly logger: Logger) {
    super();
  }

  override debug(fields: LogFields, message: string): void {
    this.logger.debug(fields, message);
  }

  override info(fields: LogFields, message: string): void {
    this.logger.info(fields, message);
  }

  override warn(fields: LogFields, message: string): void {
    this.logger.warn(fields, message);
  }

  override error(fields: LogFields, message: string): void {
    this.logger.error(fields, message);
  }

  override child(fields: LogFields): Log {
    return new PinoLog(this.logger.child(fields));
  }
}

const deepestCause = 5;

/**
 * An error as plain values: name, message, stack, code and the chain of causes. A Problem says what happened and what to
 * do, so its stack is left out. If it wraps another error, that one keeps its stack.
 */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? error.code : undefined;
  return {
    name: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error instanceof Problem ? { type: error.type } : { stack: error.stack }),
    ...(error.cause === undefined || depth >= deepestCause ? {} : { cause: describeError(error.cause, depth + 1) }),
  };
}
