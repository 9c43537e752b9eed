"""Asks a model by a public client of the Open Inference Protocol; run by a Python that has `tritonclient[http]`.

python public_client.py HOST:PORT KEY MODEL CROPS.npy ANSWERS.npz
"""

import sys

import numpy as np
import tritonclient.http as triton


def main(address: str, key: str, model: str, crops: str, answers: str) -> None:
    """Look at the model, send the crops as bytes, keep what comes back."""
    headers = {"Authorization": f"Bearer {key}"}
    client = triton.InferenceServerClient(address)
    assert client.is_server_live(headers=headers)
    assert client.is_model_ready(model, headers=headers)
    told = client.get_model_metadata(model, headers=headers)
    rows = np.load(crops)
    sent = triton.InferInput(told["inputs"][0]["name"], rows.shape, told["inputs"][0]["datatype"])
    sent.set_data_from_numpy(rows, binary_data=True)
    wanted = [triton.InferRequestedOutput(one["name"], binary_data=True) for one in told["outputs"]]
    answer = client.infer(model, [sent], outputs=wanted, headers=headers)
    np.savez(answers, **{one["name"]: answer.as_numpy(one["name"]) for one in told["outputs"]})


if __name__ == "__main__":
    main(*sys.argv[1:])
