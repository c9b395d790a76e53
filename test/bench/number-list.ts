import { argumentError } from '../../shared/errors.js';
import { integer, type Parser } from '../../shared/config.js';

/** Parser of a flag that takes whole numbers separated by commas. */
export function numberList(minimum: number, maximum: number): Parser<number[]> {
  return (value, name) => {
    try {
      return value.split(',').map((part) => integer(minimum, maximum)(part, name));
    } catch {
      throw argumentError(name, `whole numbers from ${minimum} to ${maximum}, separated by commas,`, value);
    }
  };
}
