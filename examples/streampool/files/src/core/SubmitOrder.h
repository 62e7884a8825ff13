#pragma once

namespace streampool {

/// The order of calls on one command buffer, as lean/StreamPool/CommandBuffer.lean
/// states it: handlers come before the commit, a commit comes after the end of the
/// encoder, and nothing comes after a commit. Not synchronised: the owner's lock is.
class SubmitOrder {
 public:
  enum class Call { openEncoder, endEncoding, addHandler, commit };
  enum class Stage { recording, encoding, committed };

  /// Notes a call. False where it is a programming error; the stage then stays.
  bool note(Call call) {
    switch (stage_) {
      case Stage::recording:
        if (call == Call::openEncoder) {
          stage_ = Stage::encoding;
          return true;
        }
        if (call == Call::commit) {
          stage_ = Stage::committed;
          return true;
        }
        return call == Call::addHandler;
      case Stage::encoding:
        if (call == Call::endEncoding) {
          stage_ = Stage::recording;
          return true;
        }
        return call == Call::addHandler;
      case Stage::committed:
        return false;
    }
    return false;
  }

  Stage stage() const { return stage_; }

 private:
  Stage stage_ = Stage::recording;
};

}  // namespace streampool
