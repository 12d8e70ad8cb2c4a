import { accuracyOf } from '../run/cost';
import { troubles } from '../resources/gputable';
import { energy, money } from '../../format';

describe('costs', () => {
  it('are written with three digits, and little money as such', () => {
    expect([0, 0.00231, 0.4, 12.34, 1234].map(energy)).toEqual([
      '0 Wh',
      '2.31 mWh',
      '400 mWh',
      '12.3 Wh',
      '1.23 kWh'
    ]);
    expect([0, 4e-7, 0.00123, 12.345].map(amount => money(amount, 'EUR'))).toEqual([
      '0 EUR',
      '<0.0001 EUR',
      '0.0012 EUR',
      '12.35 EUR'
    ]);
  });
  it('are told by the accuracy on validation data', () => {
    expect(accuracyOf({ accuracy: 0.9, val_accuracy: 0.8, loss: 0.1 })).toBe(0.8);
    expect(accuracyOf({ loss: 0.1, accuracy: null })).toBeNull();
  });
});

describe('a GPU', () => {
  it('tells why it is slow and what is wrong with it', () => {
    const gpu: any = {
      throttled: ['temperature'],
      ecc: { corrected: 3, uncorrected: 2 },
      mig: [{}, {}]
    };
    expect(troubles(gpu)).toEqual(['temperature', 'ECC 2', 'MIG 2']);
    expect(troubles({ throttled: [], ecc: null, mig: null } as any)).toEqual([]);
  });
});
