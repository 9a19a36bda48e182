/** The numbers that a device writes, one after the other. Each is sent again until it is acknowledged. */
export class Numbers {
  private readonly attempts: number[] = [];
  private acknowledgedNumbers = 0;

  /** Numbers up to this one are acknowledged. */
  get acknowledged(): number {
    return this.acknowledgedNumbers;
  }

  /** How often a number was sent; 0 if it never was. */
  attemptsAt(number: number): number {
    return this.attempts[number - 1] ?? 0;
  }

  /** The next number, which is sent now, perhaps again. */
  next(): number {
    const number = this.acknowledged + 1;
    this.attempts[number - 1] = this.attemptsAt(number) + 1;
    return number;
  }

  acknowledge(number: number): void {
    if (number === this.acknowledged + 1) this.acknowledgedNumbers = number;
  }
}
