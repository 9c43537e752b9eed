"""What an error looks like."""

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """A problem document (RFC 9457). Some carry further members, such as `left_out` or `errors`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "/problems/no_usable_videos",
                "title": "Unprocessable Entity",
                "status": 422,
                "code": "no_usable_videos",
                "detail": "None of the 2 videos can be used. Send longer clips in which something moves.",
                "instance": "/jobs/pretrain",
                "left_out": [{"file": "still.mp4", "code": "video_still", "message": "Nothing moves in it."}],
            }
        },
    )

    type: str = Field(description="`/problems/` and the code")
    title: str = Field(description="The status in words")
    status: int
    code: str = Field(description="What is wrong, for programs; these words do not change")
    detail: str = Field(description="What is wrong and what to do, for people")
    instance: str = Field(description="Path of the request")
