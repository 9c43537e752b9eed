"""The model of `benchmarks.serving` behind LitServe, as its documentation says. Runs among the peers."""

import argparse

import litserve
from fastapi import UploadFile

from benchmarks.serving_model import PeerModel
from pfa_core.crops import PersonCrop
from pfa_core.predict import Prepared


class Pose(litserve.LitAPI):  # type: ignore[misc]  # not installed where types are checked
    def setup(self, _device: str) -> None:
        self.model = PeerModel.of_environment()

    def decode_request(self, request: UploadFile) -> Prepared[PersonCrop]:
        return self.model.prepare(request.file.read())

    def batch(self, inputs: list[Prepared[PersonCrop]]) -> list[Prepared[PersonCrop]]:
        return inputs

    def predict(self, inputs: list[Prepared[PersonCrop]]) -> list[dict[str, object]]:
        return self.model.answers(inputs)

    def unbatch(self, output: list[dict[str, object]]) -> list[dict[str, object]]:
        return output

    def encode_response(self, output: dict[str, object]) -> dict[str, object]:
        return output


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--max-batch", type=int, required=True)
    options = parser.parse_args()
    api = Pose(max_batch_size=options.max_batch, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=options.workers, timeout=120)
    server.run(host="127.0.0.1", port=options.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
