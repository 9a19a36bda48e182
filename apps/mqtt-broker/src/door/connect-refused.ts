import type { ConnectRefusal } from '@sallyport/protocol';

interface ConnectRefusedOptions extends ErrorOptions {
  /** The protocol level of the client's CONNECT, as far as it is known. */
  readonly level?: number | undefined;
}

/** A client that may not connect. The message is the detail for the log. */
export class ConnectRefused extends Error {
  readonly level: number | undefined;

  /**
   * @param refusal for log and metrics
   * @param reasonCode what an MQTT 5 client is told in CONNACK
   */
  constructor(
    readonly refusal: ConnectRefusal,
    readonly reasonCode: number,
    detail: string,
    { level, ...options }: ConnectRefusedOptions = {},
  ) {
    super(detail, options);
    this.name = 'ConnectRefused';
    this.level = level;
  }
}
