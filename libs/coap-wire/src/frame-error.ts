/** Bytes that are no CoAP message. What follows cannot be read, so the connection ends. Holds nothing secret. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FrameError';
  }
}
