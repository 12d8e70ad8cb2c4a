"""python predict.py samples.npy: a JSON line for each sample; without a file, for those here."""

import json
import sys

import numpy as np
from model import Model

model = Model()
samples = np.load(sys.argv[1]) if len(sys.argv) > 1 else model.samples()
for answer in model.describe(model.predict(samples)):
    print(json.dumps(answer))
