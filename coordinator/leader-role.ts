/** What only one of several coordinators does: planning the placement. A controller runs while this coordinator leads, a new one each time. */

import type { Leadership } from '../shared/control-plane/control-plane.js';
import { asGolddiffError } from '../shared/errors.js';
import type { Logger } from '../shared/log.js';
import type { PlacementController } from './placement-controller.js';

export interface LeaderRoleSettings {
  readonly leadership: Leadership;
  /** different for each process */
  readonly candidate: string;
  readonly makeController: () => Pick<PlacementController, 'start' | 'stop' | 'settled'>;
  readonly log: Logger;
  /** each time this coordinator takes the lead */
  readonly onLead?: () => void;
}

export class LeaderRole {
  /** Resolves when this coordinator has led and its first placement is in effect; never where it only follows. */
  readonly settled: Promise<void>;
  #onSettled: () => void = () => {};
  #controller: ReturnType<LeaderRoleSettings['makeController']> | undefined;
  #withdraw: (() => Promise<void>) | undefined;

  constructor(private readonly settings: LeaderRoleSettings) {
    this.settled = new Promise((resolve) => (this.#onSettled = resolve));
  }

  get leads(): boolean {
    return this.#controller !== undefined;
  }

  start(): void {
    const { leadership, candidate } = this.settings;
    this.#withdraw = leadership.campaign(candidate, (leading) => (leading ? this.#lead() : this.#follow()));
  }

  /** Leaves the lead to another. */
  async stop(): Promise<void> {
    this.#follow();
    await this.#withdraw?.().catch((thrown: unknown) => {
      this.settings.log.warn({ code: asGolddiffError(thrown).code }, 'the lead was not given up: its lease will end');
    });
  }

  #lead(): void {
    this.settings.log.info({ candidate: this.settings.candidate }, 'this coordinator leads: it plans the placement');
    this.settings.onLead?.();
    const controller = this.settings.makeController();
    this.#controller = controller;
    void controller.settled.then(this.#onSettled);
    controller.start();
  }

  #follow(): void {
    if (this.#controller === undefined) return;
    this.#controller.stop();
    this.#controller = undefined;
    this.settings.log.info({ candidate: this.settings.candidate }, 'this coordinator leads no more');
  }
}
